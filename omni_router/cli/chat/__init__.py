"""`omni-router chat`: a conversation on the terminal."""
