from hypothesis import given
from hypothesis import strategies as st

from rumpun.corpus.chat.balance import allot, water_fill

sizes = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 10_000), max_size=8)
cells = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "c-mt", "d-mt"]), st.sampled_from(["law", "news"])),
    st.integers(0, 10_000),
    max_size=8,
)


@given(sizes, st.integers(0, 20_000))
def test_shares_take_the_whole_budget_and_nobody_gets_more_than_they_have(table, budget):
    shares = water_fill(table, budget)
    assert set(shares) == set(table)
    assert all(0 <= shares[key] <= table[key] for key in table)
    assert sum(shares.values()) == min(budget, sum(table.values()))


@given(sizes, st.integers(0, 20_000))
def test_whoever_gets_less_than_they_have_gets_the_most(table, budget):
    shares = water_fill(table, budget)
    for key, share in shares.items():
        if share < table[key]:
            assert share >= max(shares.values()) - 1


@given(cells, st.integers(0, 20_000))
def test_no_source_domain_or_machine_translation_rules(table, budget):
    shares = allot(
        table,
        budget,
        source_share=0.5,
        domain_share=lambda domain: 0.3 if domain == "law" else 1.0,
        machine_share=0.1,
    )
    for source in "a", "b":
        assert sum(n for cell, n in shares.items() if cell[0] == source) <= budget * 0.5
    assert sum(n for cell, n in shares.items() if cell[1] == "law") <= budget * 0.3
    assert sum(n for cell, n in shares.items() if cell[0].endswith("-mt")) <= budget * 0.1
    assert sum(shares.values()) <= budget
