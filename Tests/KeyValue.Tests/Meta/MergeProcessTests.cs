using Orleans.Raft.Core;
using static Orleans.Raft.KeyValue.AdministrationStatus;
using static Orleans.Raft.KeyValue.Tests.StoreClusterExtensions;

namespace Orleans.Raft.KeyValue.Tests.Meta;

/// <summary>What comes next in a merge, step by step, and what can never happen whatever gets lost.</summary>
public sealed class MergeProcessTests
{
    private static readonly NodeName A = new("node-1"), B = new("node-2");
    private static readonly MergeId Id = new(7);
    private static readonly TimeSpan Limit = Seconds(30);
    private static readonly PlannedMerge Running = new(Id, new GroupId(1), new GroupId(2), 3, IsAsked: true, "asked");
    private static readonly PlannedMerge Abandoning = Running with { Phase = MergePhase.Abandoning, Problem = "late" };
    private static readonly PlannedMerge Abandoned = Abandoning with { Phase = MergePhase.Abandoned };
    private static readonly MergeMarks Nothing = new(new MergeId(6), HasTaken: true, default, default);
    private static readonly MergeMarks Taken = new(Id, HasTaken: true, default, default);
    private static readonly MergeMarks GivenUp = new(Id, HasTaken: false, default, default);
    private static readonly MergeView Fine = new(Nothing, Nothing, A, B, Seconds(1), null);

    [Fact]
    public void A_merge_that_runs_is_ordered_until_the_target_says_what_became_of_it()
    {
        Require(MergeAction.OrderMerge, "asked", Running, Fine);
        Require(MergeAction.OrderMerge, "asked", Running, Fine with { Source = null, Target = null });
        Require(MergeAction.OrderMerge, "asked", Running, Fine with { Source = Nothing with { Frozen = Id } });
        Require(MergeAction.NoteTaken, "g2 has taken g1", Running, Fine with { Target = Taken });
        Require(MergeAction.NoteAbandoned, "given it up", Running, Fine with { Target = GivenUp });
        // That it was taken counts more than any trouble.
        Require(MergeAction.NoteTaken, "taken", Running, Fine with { Target = Taken, Trouble = "too large" });
        Require(MergeAction.NoteTaken, "taken", Running, Fine with { Target = Taken, SourceLeader = null, TargetLeader = null });
    }

    [Fact]
    public void It_waits_for_leaders_and_is_given_up_when_that_takes_too_long_or_it_cannot_be()
    {
        Require(MergeAction.Wait, "g1 has no leader", Running, Fine with { SourceLeader = null });
        Require(MergeAction.Wait, "g2 has no leader", Running, Fine with { TargetLeader = null });
        Require(MergeAction.GiveUp, "more than 30 s", Running, Fine with { OrderedFor = Limit });
        Require(MergeAction.GiveUp, "more than 30 s", Running,
            Fine with { OrderedFor = Limit, TargetLeader = null });
        Require(MergeAction.GiveUp, "too large", Running, Fine with { Trouble = "too large" });
    }

    [Fact]
    public void Giving_up_is_the_targets_word_and_only_then_the_source_goes_on()
    {
        Require(MergeAction.OrderAbandon, "late", Abandoning, Fine);
        Require(MergeAction.Wait, "g2 has no leader, and only it can say", Abandoning, Fine with { TargetLeader = null });
        Require(MergeAction.NoteTaken, "taken", Abandoning, Fine with { Target = Taken });
        Require(MergeAction.NoteAbandoned, "given it up", Abandoning, Fine with { Target = GivenUp });
        Require(MergeAction.OrderThaw, "late", Abandoned, Fine);
        Require(MergeAction.Wait, "g1 has no leader", Abandoned, Fine with { SourceLeader = null });
        Require(MergeAction.End, "late", Abandoned, Fine with { Source = GivenUp });
    }

    [Fact]
    public void A_merge_succeeds_and_the_source_is_retired()
    {
        var world = new MergeWorld(seed: 1, loss: 0);
        while (world.Ask() != Done) world.Step();
        for (int i = 0; i < 10; i++) world.Step();
        Assert.True(world.Target.HasTaken);
        Assert.True(world.IsSourceRetired);
        Assert.Equal([GroupId.Meta, new GroupId(2)], world.Registry.Groups.Keys);
        Assert.Empty(world.Registry.Merges);
        world.ChangeController();
        Assert.Equal([GroupId.Meta, new GroupId(2)], world.Registry.Groups.Keys);
        Assert.Equal(new GroupId(2), world.Registry.MergedInto(new GroupId(1)));
        Assert.Equal(2ul, world.Registry.NextMerge);
        Assert.Equal(new GroupId(3), world.Registry.TakeGroupId());
        Assert.Equal(Done, world.Ask());
    }

    /// <summary>The heart of it: whatever is lost, doubled or late, and whoever controls.</summary>
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.4)]
    [InlineData(0.7)]
    public void Nothing_is_ever_both_taken_and_thawed_and_every_merge_ends(double loss)
    {
        int taken = 0, thawed = 0, failedWrites = 0;
        for (int seed = 0; seed < 200; seed++)
        {
            MergeWorld world = Trouble(seed, loss);
            if (world.Target.HasTaken) taken++;
            if (world.Source.IsThawed) thawed++;
            failedWrites += world.FailedWrites;
        }
        Assert.True(taken > 10 && thawed > 10, $"{taken} merges succeeded and {thawed} were given up");
        Assert.True(failedWrites > 50, $"only {failedWrites} writes of rows failed");
    }

    /// <summary>What ends a merge is a few rows, of which only the first may be written: those of a write beyond a
    /// thousand go in two.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_merge_whose_last_rows_are_written_in_part_is_ended_by_the_next_controller(int written)
    {
        var world = new MergeWorld(seed: 1, loss: 0);
        string end = Bytes.Text(MetaRows.DeleteMerge(new MergeId(1)).Key.Span);
        bool isCut = false;
        world.Cut = rows =>
        {
            if (isCut || !rows.Any(row => row.Value is null && Bytes.Text(row.Key.Span) == end)) return null;
            isCut = true;
            // The last four are that of the target, that the source is merged, that of the source, that of the merge.
            return rows.Count - 4 + written;
        };
        while (!isCut)
        {
            world.Step();
            world.Ask();
        }
        Assert.True(world.Target.HasTaken);
        Assert.False(world.IsSourceRetired);
        Assert.NotEmpty(world.Registry.Merges);
        world.ChangeController();
        for (int i = 0; i < 20; i++) world.Step();
        Assert.True(world.IsSourceRetired);
        Assert.Empty(world.Registry.Merges);
        Assert.Equal([GroupId.Meta, new GroupId(2)], world.Registry.Groups.Keys);
        Assert.Equal(new GroupId(2), world.Registry.MergedInto(new GroupId(1)));
        Assert.Empty(world.Registry.Groups[new GroupId(2)].Descriptor.Start);
        // And so do the rows say.
        world.ChangeController();
        Assert.Empty(world.Registry.Merges);
        Assert.Equal([GroupId.Meta, new GroupId(2)], world.Registry.Groups.Keys);
        Assert.Equal(Done, world.Ask());
    }

    /// <summary>A merge under loss and changes of the controller, until it is over.</summary>
    internal static MergeWorld Trouble(int seed, double loss, FaultPoints faults = default)
    {
        var random = new Random(seed);
        var world = new MergeWorld(seed, faults, loss) { WriteFailures = 0.2 };
        while (world.Registry.Merges.Count == 0)
        {
            world.Step();
            world.Ask();
        }
        MergeId merge = world.Registry.Merges.Keys.Single();
        int steps = 0;
        while (world.Registry.Merges.ContainsKey(merge))
        {
            Assert.True(++steps < 2000, "the merge never ends:\n" + string.Join("\n", world.Log.TakeLast(20)));
            if (random.Next(30) == 0) world.ChangeController();
            // The one gives up for a reason of its own, at any moment.
            if (random.Next(40) == 0 && world.Registry.Merges.TryGetValue(merge, out MergeEntry? entry))
                entry.Trouble = "somebody said so";
            world.Step();
        }
        // What is still under way does no harm.
        for (int i = 0; i < 50; i++) world.Step();
        Assert.True(world.Target.HasTaken || !world.Source.IsFrozen, "the source is frozen for ever");
        return world;
    }

    private static void Require(MergeAction action, string text, PlannedMerge merge, MergeView view)
    {
        MergeStep step = MergeProcess.Next(merge, view, Limit);
        Assert.Equal(action, step.Action);
        Assert.Contains(text, step.Text);
    }
}
