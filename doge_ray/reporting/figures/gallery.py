"""All figures of a report, in order, each with what to see in it and how far to trust it."""

from __future__ import annotations

from functools import partial

from doge_ray.reporting.figures import (
    activations,
    layers,
    learning,
    quadrants,
    score_pies,
    stability,
    ticket_map,
    transition,
    variance_weight,
)
from doge_ray.reporting.figures.drawing import Drawing, Plan, drawn
from doge_ray.reporting.figures.style import MOST_DOMAINS
from doge_ray.reporting.records import SweepRecords

_FEW = f" Of more than {MOST_DOMAINS} domains those with most examples are shown."

GALLERY: tuple[Plan[SweepRecords], ...] = (
    Plan(
        "transition",
        "Target metric while the encoder shrinks (paper, figure 5)",
        "Each mark is one trial of the search, lines join means at equal size; a method that "
        "removes nothing is a level line. Look for the size at which a curve falls away. Trials "
        "differ in learning rate, batch size and λ too, and each is one seed: small steps up or "
        "down are chance.",
        transition.draw,
    ),
    Plan(
        "variance_weight",
        "What λ does (paper, figure 3)",
        "Doge trials of the search by λ; filled marks on the target domains, open ones on source "
        "dev. The sampler chose sparsity and rate along with λ, so a difference between columns "
        "is λ's alone only where these were held fixed.",
        variance_weight.draw,
    ),
    Plan(
        "score_pies",
        "The score of every unit, by domain (paper, figure 4)",
        "One pie per head and FFN block of the chosen dense model. Radius: mean normalised score, "
        "as a share of the largest of its kind. Slices: the domains' shares; even slices are "
        "domain-general units, one large slice is a domain-specific one. From one model's scores."
        + _FEW,
        score_pies.draw,
    ),
    Plan(
        "quadrants",
        "Which units each ticket prunes (paper, section 5.3)",
        "Units by mean and spread of their score over domains; dashed lines are medians. Winning "
        "tickets prune from the left. Doge tickets prune what is far up as well: low mean, high "
        "variance (LMHV) first, high mean and low variance (HMLV) last. Both at the sparsity of "
        "the chosen doge ticket, or of the best one that removes anything.",
        quadrants.draw,
    ),
    Plan(
        "ticket_map",
        "λ and sparsity: how many different tickets there are",
        "Doge tickets drawn from the search's scores on a grid; nothing was trained for it. Black "
        "lines part different masks: trials inside one area are one training. Darker means "
        "further from the ticket at λ = 0. Rows are not evenly spaced in λ.",
        ticket_map.draw,
    ),
    Plan(
        "layers",
        "Where in the network units are pruned",
        "Mean over the tickets of the chosen configuration, the search's and the repeats'. "
        "Layer 0 is next to the embeddings. Compare methods only at similar sparsity: see the "
        "first table.",
        layers.draw,
    ),
    Plan(
        "stability",
        "Do fresh seeds draw the same ticket?",
        "Bar: mean Jaccard similarity of the removed units over all pairs of seeds; dots: the "
        "pairs; black dash: what as many units removed at random would have in common. A bar at "
        "its dash says that the scores of one seed tell nothing about another's. Pairs share "
        "seeds, so the dots are not independent.",
        stability.draw,
    ),
    Plan(
        "learning",
        "How the chosen configurations learn",
        "Source dev metric by epoch, one line per training: the search's and every repeat's. A "
        "line that still rises at its end would have liked more epochs. Nothing here was measured "
        "on the target domains.",
        learning.draw,
    ),
    Plan(
        "activations_sampled",
        "How often neurons fire, by domain (paper, figure 1)",
        "35 neurons drawn by a fixed seed from three FFN blocks of the chosen dense model; "
        "active means that the value before the activation function exceeds -2 at the first "
        "token. A column of one shade is a domain-general neuron; a column whose shades differ "
        "is a domain-specific one. A block that is all dark says only that -2 parts nothing there. "
        "On the training split." + _FEW,
        partial(activations.draw, neurons="sampled"),
    ),
    Plan(
        "activations_first",
        "The first 35 neurons instead (paper, figure 6)",
        "As before, without drawing: neurons 0 to 34 of the same blocks." + _FEW,
        partial(activations.draw, neurons="first"),
    ),
)


def draw_all(records: SweepRecords) -> list[Drawing]:
    """Every figure of the gallery, or the sentence that says why it cannot be drawn."""
    return [drawn(plan, records) for plan in GALLERY]
