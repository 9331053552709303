"""Muon and AdamW in one optimiser."""

import torch
from torch import nn

from pixelbytes_hf.training.optimisers import MuonAdamW, muon_groups, orthogonalise


def test_orthogonalise_keeps_directions_and_evens_their_sizes():
    torch.manual_seed(0)
    for shape in ((8, 8), (5, 12), (12, 5), (3, 6, 6)):
        matrix = torch.randn(shape)
        result = orthogonalise(matrix)
        values = torch.linalg.svdvals(result)
        assert values.min() > 0.4 and values.max() < 1.6
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        between = left.mT @ result @ right.mT  # diagonal: the singular directions are those of the input
        torch.testing.assert_close(between, torch.diag_embed(between.diagonal(dim1=-2, dim2=-1)), rtol=0, atol=1e-3)


def test_groups_split_embeddings_heads_and_vectors_from_matrices():
    model = nn.ModuleDict({"embedding": nn.Embedding(5, 4), "lstm": nn.LSTM(4, 6), "proj": nn.Linear(6, 6)})
    model["fc"] = nn.Linear(6, 5)
    groups = muon_groups(model, matrix_learning_rate=0.1, learning_rate=0.01, weight_decay=0.5)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [({names[id(p)] for p in group["params"]}, group.get("num_blocks", 0), group["lr"]) for group in groups]
    assert ({"lstm.weight_ih_l0", "lstm.weight_hh_l0"}, 4, 0.1) in found
    assert ({"proj.weight"}, 1, 0.1) in found
    assert ({"embedding.weight", "fc.weight"}, 0, 0.01) in found
    assert sum(len(members) for members, _, _ in found) == len(names)
    assert [group["weight_decay"] for group in groups if "weight_decay" in group] == [0.5]


def test_adamw_part_equals_torch():
    torch.manual_seed(0)
    start = torch.randn(4, 3)
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    settings = {"betas": (0.8, 0.97), "weight_decay": 0.1}
    pairs = [
        (ours, MuonAdamW([{"params": [ours], "lr": 0.03}], **settings)),
        (theirs, torch.optim.AdamW([theirs], lr=0.03, **settings)),
    ]
    for step in range(5):
        for parameter, optimiser in pairs:
            optimiser.zero_grad()
            (parameter**3 * (step + 1)).sum().backward()
            optimiser.step()
    torch.testing.assert_close(ours, theirs)


def test_blocks_of_a_stacked_matrix_are_treated_apart():
    torch.manual_seed(0)
    stacked = torch.zeros(8, 4, requires_grad=True)
    stacked.grad = torch.cat([torch.randn(4, 4), 100 * torch.randn(4, 4)])
    MuonAdamW([{"params": [stacked], "lr": 1.0, "num_blocks": 2}]).step()
    for block in stacked.detach().split(4):
        values = torch.linalg.svdvals(block)
        assert values.min() > 0.4 and values.max() < 1.6


def test_bfloat16_changes_an_update_little_and_no_weights_type():
    updates = []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        matrix = torch.zeros(32, 16, requires_grad=True)
        matrix.grad = torch.randn(32, 16)
        MuonAdamW([{"params": [matrix], "lr": 1.0, "num_blocks": 1}], dtype=dtype).step()
        updates.append(matrix.detach())
    assert updates[1].dtype == torch.float32 and not torch.equal(*updates)
    assert (updates[0] - updates[1]).norm() < 0.05 * updates[0].norm()


def test_state_survives_saving():
    def train(optimiser, parameters, steps):
        for step in steps:
            for parameter in parameters:
                parameter.grad = torch.full_like(parameter, float(step)) * parameter.detach().cos()
            optimiser.step()

    def fresh():
        torch.manual_seed(0)
        parameters = [torch.randn(4, 4, requires_grad=True), torch.randn(3, requires_grad=True)]
        groups = [{"params": parameters[:1], "lr": 0.1, "num_blocks": 1}, {"params": parameters[1:], "lr": 0.1}]
        return parameters, MuonAdamW(groups)

    whole, optimiser = fresh()
    train(optimiser, whole, range(1, 7))
    first, optimiser = fresh()
    train(optimiser, first, range(1, 4))
    state = optimiser.state_dict()
    second, optimiser = fresh()
    optimiser.load_state_dict(state)
    with torch.no_grad():
        for parameter, value in zip(second, first, strict=True):
            parameter.copy_(value)
    train(optimiser, second, range(4, 7))
    assert all(torch.equal(one, other) for one, other in zip(whole, second, strict=True))


def test_muon_equals_its_definition():
    torch.manual_seed(0)
    start, gradients, momentum = torch.randn(8, 4), torch.randn(3, 8, 4), 0.95
    ours = start.clone().requires_grad_()
    optimiser = MuonAdamW([{"params": [ours], "lr": 0.1, "num_blocks": 1}])
    expected, average = start.clone(), torch.zeros(8, 4)
    for gradient in gradients:
        ours.grad = gradient.clone()
        optimiser.step()
        average = momentum * average + (1 - momentum) * gradient
        ahead = momentum * average + (1 - momentum) * gradient  # Nesterov's: the average as of the next step
        expected -= 0.1 * (8 / 4) ** 0.5 * orthogonalise(ahead)
    torch.testing.assert_close(ours.detach(), expected)
