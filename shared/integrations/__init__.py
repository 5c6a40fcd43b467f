"""Services that people connect to their assistant, one folder each: a client, its scopes, its tools."""
