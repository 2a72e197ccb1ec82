"""Selection: which route a request takes, and which of its models is called."""
