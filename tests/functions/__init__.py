"""The function app as the Functions host sees it."""
