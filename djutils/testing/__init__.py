"""What a project needs to test its commands, and the author of a backend to test the backend."""
