"""Words by what they do in a question. Curated by hand: a word is listed only where no other sense of it could change an answer."""
