"""The stages. One file each: it unwraps the trigger, makes one call into shared, wraps the answer."""
