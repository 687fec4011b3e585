using static Orleans.Raft.Linearizability.Tests.HistoryScript;

namespace Orleans.Raft.Linearizability.Tests;

public class HandMadeTests
{
    private readonly HistoryScript _script = new();

    [Fact]
    public void An_empty_history_is_good() => _script.IsGood();

    [Fact]
    public void A_read_sees_the_last_write() => _script.Do(Put("1")).Read("1").Do(Delete()).Read(null).IsGood();

    [Fact]
    public void A_stale_read_is_bad() => _script.Do(Put("1")).Do(Put("2")).Read("1").IsBad(2);

    [Fact]
    public void A_read_may_see_a_write_in_flight_or_not()
    {
        int put = _script.Begin(Put("1"));
        _script.Read(null).Read("1").End(put).IsGood();
    }

    [Fact]
    public void A_value_seen_does_not_go_away_again()
    {
        int put = _script.Begin(Put("1"));
        _script.Read("1").Read(null).End(put).IsBad(2);
    }

    [Fact]
    public void A_read_from_the_future_is_bad() => _script.Read("1").Do(Put("1")).IsBad(0);

    [Fact]
    public void A_value_nobody_wrote_is_bad() => _script.Do(Put("1")).Read("7").IsBad(1);

    [Fact]
    public void A_lost_update_is_bad() => _script.Do(Append("1")).Do(Append("2")).Read("2").IsBad(2);

    [Fact]
    public void An_append_applied_twice_is_bad() => _script.Do(Append("1")).Read("11").IsBad(1);

    [Fact]
    public void A_missing_key_counts_as_empty_for_an_append() => _script.Do(Append("")).Read("").IsGood();

    [Fact]
    public void One_value_cannot_be_exchanged_twice() =>
        _script.Do(Put("1")).Do(Cas("1", "2")).Do(Cas("1", "3")).IsBad(2);

    [Fact]
    public void A_compare_and_set_that_found_something_else_changes_nothing() =>
        _script.Do(Put("1")).Do(Cas("0", "2"), Answer.Mismatch("1")).Read("1").Do(Cas("1", null)).Read(null).IsGood();

    [Fact]
    public void A_compare_and_set_that_found_what_it_expected_and_was_not_applied_is_bad() =>
        _script.Do(Put("1")).Do(Cas("1", "2"), Answer.Mismatch("1")).IsBad(1);

    [Fact]
    public void A_compare_and_set_of_a_missing_key_is_not_one_of_an_empty_value() =>
        _script.Do(Put("")).Do(Cas(null, "1")).IsBad(1);

    [Fact]
    public void A_deleted_value_does_not_come_back() => _script.Do(Put("1")).Do(Delete()).Read("1").IsBad(2);

    [Fact]
    public void Two_readers_agree_on_the_order_of_writes()
    {
        int first = _script.Begin(Put("1")), second = _script.Begin(Put("2"));
        int reader = _script.Begin(Get());
        _script.Read("1").Read("2").End(reader, Answer.Found("2")).Read("1").End(first).End(second).IsBad(5);
    }

    [Fact]
    public void An_unknown_write_may_take_effect_late() =>
        _script.Lose(Put("1")).Read(null).Do(Put("2")).Read("2").Read("1").IsGood();

    [Fact]
    public void An_unknown_write_may_never_take_effect() => _script.Lose(Put("1")).Read(null).IsGood();

    [Fact]
    public void An_unknown_write_takes_effect_once_at_most() =>
        _script.Lose(Put("1")).Read("1").Do(Put("2")).Read("1").IsBad(3);

    [Fact]
    public void An_unknown_append_takes_effect_once_at_most() =>
        _script.Lose(Append("1")).Read("1").Read("11").IsBad(2);

    [Fact]
    public void Each_unknown_delete_removes_once() =>
        _script.Lose(Delete()).Do(Put("1")).Read(null).Do(Put("2")).Read(null).IsBad(4);

    [Fact]
    public void Two_unknown_deletes_remove_twice() =>
        _script.Lose(Delete()).Lose(Delete()).Do(Put("1")).Read(null).Do(Put("2")).Read(null).IsGood();

    [Fact]
    public void An_unknown_write_does_not_take_effect_before_it_began() => _script.Read("1").Lose(Put("1")).IsBad(0);

    [Fact]
    public void Unknown_writes_build_on_each_other() =>
        _script.Lose(Put("1")).Lose(Append("2")).Lose(Cas("12", "3")).Do(Append("4")).Read("34").IsGood();

    /// <summary>The first put is never seen; only the unknown delete makes room for the append after it.</summary>
    [Fact]
    public void An_unknown_delete_may_hide_an_unseen_write_before_the_same_value()
    {
        int put = _script.Begin(Put("unseen"));
        _script.Lose(Delete());
        int append = _script.Begin(Append("2"));
        _script.Read("2").End(append).End(put).Read("2").IsGood();
    }

    /// <summary>What is left of a history of real processes when all is taken away that does not matter: the put of
    /// "unseen" may take effect before the unknown put of "1", which both scans show. Such a history was once called
    /// wrong.</summary>
    [Fact]
    public void An_unknown_put_that_scans_show_may_follow_a_put_that_no_answer_shows()
    {
        _script.Lose(Put("3", "d"));
        int scan = _script.Begin(Scan(3, true));
        _script.Lose(Put("2", "c")).Lose(Put("1", "b"));
        int unseen = _script.Begin(Put("unseen", "b"));
        _script.End(scan, Rows("d=3", "c=2", "b=1")).End(unseen);
        int delete = _script.Begin(Delete("c"));
        _script.Do(Put("4", "e")).End(delete).Do(Put("5", "d")).Do(Scan(3, true), Rows("e=4", "d=5", "b=1"))
            .Do(Put("6", "e")).Do(Put("7", "a")).Do(Delete("b")).Do(Put("8", "d"))
            .Do(Scan(), Rows("a=7", "d=8", "e=6")).IsGood();
    }

    [Fact]
    public void A_refused_write_never_happened()
    {
        _script.History.Refuse(_script.Begin(Put("1")));
        Assert.False(LinearizabilityChecker.Check(_script.Read("1").History.Entries()).IsLinearizable);
    }

    [Fact]
    public void A_scan_sees_all_keys_at_one_moment() => _script.Do(Put("1")).Do(Put("2", "y"))
        .Do(Scan(), Rows("x=1", "y=2")).Do(Scan(1), Rows("x=1")).Do(Scan(1, true), Rows("y=2")).IsGood();

    [Fact]
    public void A_scan_torn_between_two_puts_is_bad()
    {
        _script.Do(Put("1")).Do(Put("1", "y"));
        int scan = _script.Begin(Scan());
        _script.Do(Put("2")).Do(Put("2", "y")).End(scan, Rows("x=1", "y=2")).IsBad(2);
    }

    [Theory]
    [InlineData("y=2", "x=1")]
    [InlineData("x=1")]
    [InlineData("x=1", "x=1", "y=2")]
    [InlineData("x=1", "y=2", "z=3")]
    public void Scans_that_are_out_of_order_or_miss_or_add_rows_are_bad(params string[] rows) =>
        _script.Do(Put("1")).Do(Put("2", "y")).Do(Scan(), Rows(rows)).IsBad(2);

    [Fact]
    public void A_scan_that_stops_at_its_limit_says_nothing_of_what_comes_after() =>
        _script.Do(Put("1")).Do(Put("2", "y")).Do(Scan(1), Rows("x=1")).Read("2", "y").IsGood();

    [Fact]
    public void Keys_of_several_partitions_are_checked_apart()
    {
        _script.Do(Put("1"));
        _script.Do(Operation.Scan("g2", "", ""), Rows());
        _script.Do(Operation.Get("g2", "z"), Answer.Found(null));
        Oracles.Verify(_script.History.Entries(), LinearizabilityChecker.Check(_script.History.Entries()));
    }

    [Fact]
    public void An_answer_must_fit_its_operation_and_comes_once()
    {
        int get = _script.Begin(Get());
        Assert.Throws<ArgumentException>(() => _script.End(get, Rows()));
        _script.End(get, Answer.Found(null));
        Assert.Throws<InvalidOperationException>(() => _script.History.Refuse(get));
    }
}
