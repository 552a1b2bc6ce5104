"""Harm: whose first harm came when, in; an e-process against "the challenger harms at most `margin` times as often" out.

A harm counts in the moment it happens; nobody waits for those who are well. Each person counts once, with the first. When
somebody is harmed while `challenger_at_risk` and `champion_at_risk` persons have not been, and each person of the challenger is t
times as likely to be the next as one of the champion, it is one of the challenger with probability

    p(t) = t challenger_at_risk / (t challenger_at_risk + champion_at_risk).

p(u) / p(margin), and (1 - p(u)) / (1 - p(margin)) for one of the champion, is an e-value for t = margin, and for every smaller t
too, because it is larger for a harm of the challenger. This is the safe logrank test (ter Schure, Pérez-Ortiz, Ly and Grünwald
2020, "The Safe Logrank Test: Error Control under Continuous Monitoring with Unlimited Horizon", arXiv 2011.06931), exact under
proportional hazards, whatever the rate of harms and its drift. The mean of the products over several u is an e-process too, so no
u has to be chosen; and the mean over kinds of harm is one against "none of the kinds is more frequent".
"""

import numpy as np

from heedful.companion.experiments.before import Floats, Marks

RATIOS = (1.5, 2.0, 3.0, 5.0)  # u / margin: how much more than allowed


def log_e_process(challenger: Marks, challenger_at_risk: Floats, champion_at_risk: Floats, margin: float) -> Floats:
    """[..., k]: the logarithm of the e-process after each of k first harms. At risk: with the one who is harmed."""
    allowed = chance(margin, challenger_at_risk, champion_at_risk)
    claimed = [chance(margin * ratio, challenger_at_risk, champion_at_risk) for ratio in RATIOS]
    with np.errstate(divide="ignore", invalid="ignore"):  # nobody left on the other side: 0/0, which says nothing
        steps = [np.where(challenger, np.log(u / allowed), np.log((1 - u) / (1 - allowed))) for u in claimed]
    products = np.cumsum(np.nan_to_num(np.stack(steps), nan=0.0), axis=-1)
    highest = products.max(axis=0)
    return np.asarray(highest + np.log(np.exp(products - highest).mean(axis=0)))


def chance(ratio: float, challenger_at_risk: Floats, champion_at_risk: Floats) -> Floats:
    """That the next to be harmed is one of the challenger."""
    weighted = ratio * challenger_at_risk
    return np.asarray(weighted / (weighted + champion_at_risk))
