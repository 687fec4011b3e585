using Orleans.Raft.Client;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>How a client finds its way to a group's leader: keys lead to gateways in a fixed but unknown way.</summary>
public sealed class EntrancesTests
{
    private readonly Entrances _entrances = new();

    [Fact]
    public void Calls_enter_by_the_leaders_silo_once_a_key_leads_there()
    {
        int calls = 0;
        while (Call(1, "silo-3", Three) != "silo-3") Assert.True(++calls < 100);
        for (int i = 0; i < 100; i++) Assert.Equal("silo-3", Call(1, "silo-3", Three));
        // Another group, another leader.
        calls = 0;
        while (Call(2, "silo-1", Three) != "silo-1") Assert.True(++calls < 100);
        for (int i = 0; i < 100; i++) Assert.Equal("silo-1", Call(2, "silo-1", Three));
    }

    [Fact]
    public void After_a_failure_another_silo_is_tried()
    {
        for (int i = 0; i < 100; i++) Call(1, "silo-2", Three);
        int key = _entrances.Choose(1);
        Assert.Equal("silo-2", Three(key));
        _entrances.Fail(1, key);
        int tries = 0;
        while (Three(key = _entrances.Choose(1)) == "silo-2")
        {
            _entrances.Fail(1, key);
            Assert.True(++tries < 4, "the silo that gave no answer is asked again and again");
        }
    }

    [Fact]
    public void A_silo_that_gave_no_answer_to_one_group_is_avoided_by_all_while_others_answer()
    {
        for (uint group = 1; group <= 3; group++)
            for (int i = 0; i < 10; i++) Call(group, $"silo-{group}", Three);
        int silent = _entrances.Choose(2);
        Assert.Equal("silo-2", Three(silent));
        _entrances.Fail(2, silent);
        for (int i = 0; i < 50; i++)
            for (uint group = 1; group <= 3; group++)
                Assert.NotEqual("silo-2", Call(group, group == 1 ? "silo-1" : "silo-3", Three));
    }

    [Fact]
    public void A_silo_that_was_silent_is_entered_again_once_it_leads_and_answers()
    {
        for (int i = 0; i < 10; i++) Call(1, "silo-2", Three);
        int silent = _entrances.Choose(1);
        Assert.Equal("silo-2", Three(silent));
        _entrances.Fail(1, silent);
        int calls = 0;
        while (Call(1, "silo-2", Three) != "silo-2") Assert.True(++calls < 100);
    }

    [Fact]
    public void A_silo_that_can_do_nothing_for_a_group_is_asked_again_only_after_all_others()
    {
        for (int i = 0; i < 10; i++) Call(1, "silo-2", Three);
        var asked = new List<string>();
        for (int i = 0; i < 3; i++)
        {
            int key = _entrances.Choose(1);
            asked.Add(Three(key));
            _entrances.Learn(1, key, Three(key), leader: null, isHelpless: true);
        }
        Assert.Equal(["silo-1", "silo-2", "silo-3"], asked.Order());
        // Then from the beginning.
        Assert.InRange(_entrances.Choose(1), 0, 255);
    }

    [Fact]
    public void When_no_key_gives_an_answer_new_ones_are_tried_within_their_bound()
    {
        for (int i = 0; i < 1000; i++)
        {
            int key = _entrances.Choose(1);
            Assert.InRange(key, 0, 255);
            _entrances.Fail(1, key);
        }
        Assert.True(Enumerable.Range(0, 1000).Select(_ =>
        {
            int key = _entrances.Choose(1);
            _entrances.Fail(1, key);
            return key;
        }).Distinct().Count() > 3);
    }

    [Fact]
    public void A_gateway_that_came_back_is_found_by_new_keys()
    {
        // Keys in use have moved to the two that stayed; only new ones lead to the third.
        for (int i = 0; i < 200; i++) Call(1, "silo-1", key => key < 8 ? $"silo-{key % 2 + 1}" : Three(key));
        int calls = 0;
        while (Call(1, "silo-3", key => key < 8 ? $"silo-{key % 2 + 1}" : Three(key)) != "silo-3")
            Assert.True(++calls < 1000);
    }

    [Fact]
    public void Keys_stay_within_their_bound_when_the_leader_cannot_be_entered()
    {
        for (int i = 0; i < 20_000; i++)
        {
            int key = _entrances.Choose(1);
            Assert.InRange(key, 0, 255);
            _entrances.Learn(1, key, "silo-1", "silo-9");
        }
    }

    private static string Three(int key) => $"silo-{key % 3 + 1}";

    private string Call(uint group, string leader, Func<int, string> leadsTo)
    {
        int key = _entrances.Choose(group);
        _entrances.Learn(group, key, leadsTo(key), leader);
        return leadsTo(key);
    }
}
