"""Judge: another model that is asked yes/no questions about replies. Off unless `judge.url` is set; advisory until people agree."""
