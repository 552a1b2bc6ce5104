"""Guards: a chat in, how great the danger is and what is wrong with a reply out. They judge; the companion acts."""
