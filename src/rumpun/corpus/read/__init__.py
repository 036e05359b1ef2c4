"""Sources -> documents as they were read: which sources there are, what each file holds, what could not be used and why."""
