"""Loop: training runs that were asked for, in; each carried out once, whatever is killed meanwhile, out.

`requests` and `schedule` ask, `worker` takes one after the other, `durable` has its steps remembered, `steps` does the work.
"""
