"""What the app does. A public module is one responder; a module with an underscore is the machinery that runs it."""
