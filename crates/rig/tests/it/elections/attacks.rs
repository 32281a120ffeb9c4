//! Each way to cheat that an election is to withstand, tried on a server.
