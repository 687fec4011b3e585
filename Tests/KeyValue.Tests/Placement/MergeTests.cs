using Orleans.Raft.Core;

namespace Orleans.Raft.KeyValue.Tests.Placement;

/// <summary>Which small neighbours become one group by themselves, and which do not.</summary>
public sealed class MergeTests
{
    private static readonly PlacementOptions Options = new() { MergeBytes = 1000, SplitBytes = 2000 };
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(2);

    [Fact]
    public void Two_small_neighbours_become_one_group_and_the_smaller_one_ends()
    {
        MergeDecision decision = Assert.Single(Decide(Group(1, "", "g", 300), Group(2, "g", "m", 200), Group(3, "m", "", 900)));
        Assert.Equal((new GroupId(2), new GroupId(1), 5ul), (decision.Group, decision.Into, decision.RangeVersion));
        Assert.Equal("g2: merge it into g1, because together they have 500 bytes, less than 1000", decision.ToString());
    }

    [Fact]
    public void Of_several_pairs_the_smallest_goes_first_and_alone()
    {
        ModelGroup[] groups = [Group(1, "", "c", 300), Group(2, "c", "g", 300), Group(3, "g", "m", 10), Group(4, "m", "", 20)];
        Assert.Equal(("g3", "g4"), Pair(Assert.Single(Decide(groups))));
        // While one goes on, none begins.
        Assert.Empty(Decide(groups[0], groups[1], groups[2] with { IsMerging = true }, groups[3] with { IsMerging = true }));
    }

    [Fact]
    public void Nothing_is_merged_unless_that_is_wanted()
    {
        ModelGroup[] groups = [Group(1, "", "m", 1), Group(2, "m", "", 1)];
        Assert.Single(Decide(groups));
        Assert.Empty(Decide(Options with { MergeBytes = 0 }, isBalanceOn: true, groups));
        Assert.Empty(Decide(new PlacementOptions(), isBalanceOn: true, groups));
        Assert.Empty(Decide(Options, isBalanceOn: false, groups));
    }

    [Fact]
    public void What_would_be_split_again_or_is_in_use_is_not_merged()
    {
        ModelGroup small = Group(2, "m", "", 1);
        Assert.Empty(Decide(Group(1, "", "m", 999), small));
        Assert.Single(Decide(Group(1, "", "m", 998), small));
        double half = Options.SplitOperationsPerSecond / 2;
        Assert.Empty(Decide(Group(1, "", "m", 1) with { OperationsPerSecond = half }, small));
        Assert.Single(Decide(Group(1, "", "m", 1) with { OperationsPerSecond = half - 1 }, small));
    }

    [Fact]
    public void What_no_merge_could_carry_is_not_merged()
    {
        PlacementOptions large = Options with { MergeBytes = 32 << 20, SplitBytes = 64 << 20 };
        Assert.Empty(Decide(large, isBalanceOn: true, Group(1, "", "m", 14 << 20), Group(2, "m", "", 14 << 20)));
        Assert.Single(Decide(large, isBalanceOn: true, Group(1, "", "m", 20 << 20), Group(2, "m", "", 1 << 20)));
    }

    [Fact]
    public void What_was_changed_a_moment_ago_or_is_not_whole_is_left_alone()
    {
        ModelGroup left = Group(1, "", "m", 1), right = Group(2, "m", "", 1);
        Assert.Single(Decide(left, right));
        Assert.Empty(Decide(left with { UnchangedFor = TimeSpan.FromSeconds(59) }, right));
        Assert.Empty(Decide(left, right with { UnchangedFor = TimeSpan.FromSeconds(59) }));
        Assert.Empty(Decide(left with { Leader = null }, right));
        Assert.Empty(Decide(left, right with { Move = new PlannedMove(null, Name(4), IsAsked: true, "asked") }));
        Assert.Empty(Decide(left, right with
        {
            Members = [new ModelMember(new ReplicaId(2), IsCaughtUp: true, Options.SuspectAfter)],
        }));
        // No neighbours: what is between them is not known yet.
        Assert.Empty(Decide(left with { Descriptor = left.Descriptor with { End = Bytes.Of("l") } }, right));
        Assert.Empty(Decide(Group(0, "", "m", 1), right));
    }

    [Fact]
    public void A_split_and_a_merge_never_undo_each_other()
    {
        // Whatever the sizes: what is merged is far below what is split, and what was split is far above what is merged.
        var random = new Random(1);
        for (int round = 0; round < 1000; round++)
        {
            long bytes = random.Next(2001, 10_000);
            ModelGroup lower = Group(1, "", "m", bytes / 2), upper = Group(2, "m", "", bytes - bytes / 2);
            Assert.Empty(Decide(lower, upper));
            long left = random.Next(1000), right = random.Next(1000);
            if (Decide(Group(1, "", "m", left), Group(2, "m", "", right)).Length == 0) continue;
            IReadOnlyList<Decision> after = PlacementController.Decide(
                new ClusterModel([.. Enumerable.Range(1, 3).Select(i => new ModelNode(Name(i)))],
                    [Group(1, "", "", left + right)]), Options);
            Assert.Empty(after);
        }
        Assert.Contains("half of SplitBytes", Assert.Single((Options with { MergeBytes = 1001 }).Validate()));
        Assert.Empty(Options.Validate());
    }

    [Fact]
    public void Nothing_else_is_decided_for_groups_that_are_being_merged()
    {
        ModelGroup merging = Group(1, "", "m", Options.SplitBytes + 1) with
        {
            IsMerging = true,
            Leader = Name(2),
            OperationsPerSecond = Options.SplitOperationsPerSecond + 1,
            LoadSplitKey = [7],
        };
        // One of its nodes is gone, and another leads two groups more than it has to.
        ModelNode[] nodes = [new(Name(1), SilentFor: Options.GoneAfter), new(Name(2)), new(Name(3)), new(Name(4))];
        Assert.DoesNotContain(PlacementController.Decide(new ClusterModel(nodes, [merging]), Options),
            decision => decision.Group == merging.Group);
        Assert.NotEmpty(PlacementController.Decide(
            new ClusterModel(nodes, [merging with { IsMerging = false }]), Options));
    }

    private static MergeDecision[] Decide(params ModelGroup[] groups) => Decide(Options, isBalanceOn: true, groups);

    private static MergeDecision[] Decide(PlacementOptions options, bool isBalanceOn, params ModelGroup[] groups)
    {
        ModelNode[] nodes = [.. Enumerable.Range(1, 3).Select(i => new ModelNode(Name(i)))];
        return [.. PlacementController.Decide(new ClusterModel(nodes, groups, isBalanceOn), options).OfType<MergeDecision>()];
    }

    private static ModelGroup Group(uint id, string start, string end, long bytes) => new(
        new GroupDescriptor(new GroupId(id), Bytes.Of(start), Bytes.Of(end), RangeVersion: 5, ConfigVersion: 1,
            [.. Enumerable.Range(1, 3).Select(i => new ReplicaPlacement(new ReplicaId((ulong)i), Name(i)))]), Name(1))
    {
        Bytes = bytes,
        UnchangedFor = Long,
        Members =
        [
            new ModelMember(new ReplicaId(2), IsCaughtUp: true, default),
            new ModelMember(new ReplicaId(3), IsCaughtUp: true, default),
        ],
    };

    private static (string, string) Pair(MergeDecision decision) => ($"{decision.Group}", $"{decision.Into}");

    private static NodeName Name(int number) => new($"node-{number}");
}
