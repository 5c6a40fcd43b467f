-- A holder is closed: its locks end. ARGV[4]: holder.

void(ARGV[4])
return 1
