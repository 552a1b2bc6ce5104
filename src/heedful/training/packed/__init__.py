"""Packed core: LoRA training for the Llama, Mistral, Qwen2 and Qwen3 families, quick without a GPU, gradients equal to PEFT's.

Conversations lie one behind the other without padding, what they have in common in front is computed once, and only positions
before a supervised token reach the output head. `supports` says whether a base can be trained here; all else is TRL's.
Every module here but `support` imports torch at its top (autograd functions are classes), so import this folder late, as a whole.
"""
