"""Fine-tuning: a file in OpenAI's chat format and hyper-parameters in; a proven version under a name of its own out."""
