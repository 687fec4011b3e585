using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.Routing;

/// <summary>Every key has exactly one group, whatever the split keys are.</summary>
public class RangeMapTests
{
    private static readonly NodeName[] Nodes = [.. Enumerable.Range(1, 5).Select(i => new NodeName($"node-{i}"))];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Finds_what_looking_at_every_group_finds(int seed)
    {
        var random = new Random(seed);
        byte[][] splits = [.. Enumerable.Range(0, random.Next(12)).Select(_ => Bytes.RandomKey(random))
            .DistinctBy(Convert.ToHexString).Order(NaiveByteOrder.Instance)];
        GroupDescriptor[] groups = [.. FormationPlan.Create(Nodes, splits, new StoreLimits()).Groups];
        random.Shuffle(groups);
        var map = new RangeMap(groups);
        Assert.Equal(splits.Length + 1, map.Groups.Count);
        byte[][] keys = [.. splits, .. splits.Select(s => (byte[])[.. s, 0]), .. Enumerable.Range(0, 200)
            .Select(_ => Bytes.RandomKey(random))];
        foreach (byte[] key in keys)
        {
            GroupDescriptor owner = Assert.Single(groups, group => group.Contains(key));
            Assert.Equal(owner.Group, map.Find(key).Group);
            Assert.Equal(owner, map.Find(owner.Group));
            // The group before a bound is the last of those that hold a smaller key.
            GroupDescriptor before = map.Groups.Last(group => NaiveByteOrder.Instance.Compare(group.Start, key) < 0);
            Assert.Equal(before.Group, map.FindBefore(key).Group);
        }
        Assert.Equal(map.Groups[^1].Group, map.FindBefore([]).Group);
        Assert.Null(map.Find(new GroupId(99)));
    }

    [Fact]
    public void Gaps_overlaps_and_missing_ends_are_no_map()
    {
        GroupDescriptor[] groups = [.. FormationPlan.Create(Nodes, [[10], [20]], new StoreLimits()).Groups];
        Assert.Throws<InvariantViolationException>(() => new RangeMap([]));
        Assert.Throws<InvariantViolationException>(() => new RangeMap(groups[1..]));
        Assert.Throws<InvariantViolationException>(() => new RangeMap(groups[..2]));
        Assert.Throws<InvariantViolationException>(() => new RangeMap([groups[0], groups[2]]));
        Assert.Throws<InvariantViolationException>(() =>
            new RangeMap([groups[0], groups[1] with { End = [21] }, groups[2]]));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Each_key_belongs_to_the_newest_descriptor_told_that_holds_it_in_whatever_order_they_are_told(int seed)
    {
        var random = new Random(seed);
        List<GroupDescriptor> told = [.. FormationPlan.Create(Nodes, [[100], [200]], new StoreLimits()).Groups];
        var map = new RangeMap(told);
        List<GroupDescriptor> history = History(random, told, out List<GroupDescriptor> present);
        GroupDescriptor[] news = [.. history];
        random.Shuffle(news);
        byte[][] keys = [.. history.SelectMany(d => new[] { d.Start, [.. d.Start, 0] }).Where(key => key.Length > 0)];
        int kept = 0;
        foreach (GroupDescriptor descriptor in news)
        {
            RangeMap before = map;
            map = map.With(descriptor);
            if (map == before) kept++;
            told.Add(descriptor);
            foreach (byte[] key in keys)
            {
                GroupDescriptor newest = told.Where(d => d.Contains(key))
                    .MaxBy(d => (d.RangeVersion, d.ConfigVersion))!;
                GroupDescriptor found = map.Find(key);
                Assert.True(newest.Group == found.Group && newest.RangeVersion == found.RangeVersion
                    && newest.ConfigVersion == found.ConfigVersion && found.Contains(key),
                    $"Seed {seed}: {found} stands for {newest}.");
            }
        }
        Assert.Equal(present.OrderBy(d => d.Start, NaiveByteOrder.Instance), map.Groups);
        Assert.Same(map, map.With(map));
        RangeMap old = new([.. told.Take(3)]);
        Assert.Equal(map.Groups, old.With(map).Groups);
        Assert.True(kept > 3, $"Seed {seed}: only {kept} descriptors were no news.");
    }

    [Fact]
    public void What_is_left_of_an_older_descriptor_stays_as_a_guess()
    {
        GroupDescriptor whole = FormationPlan.Create(Nodes[..3], [], new StoreLimits()).Groups[0];
        GroupDescriptor left = whole with { End = [7], RangeVersion = whole.RangeVersion + 1 };
        RangeMap map = new RangeMap([whole]).With(left);
        Assert.Equal([left, whole with { Start = [7] }], map.Groups);
        Assert.Equal(left, map.Find(whole.Group));
        Assert.Same(map, map.With(whole));
        Assert.Same(map, map.With(left with { Start = [9], End = [8], RangeVersion = 99 }));
    }

    [Fact]
    public void A_router_learns_groups_and_where_they_moved()
    {
        GroupDescriptor group = FormationPlan.Create(Nodes[..3], [], new StoreLimits()).Groups[0];
        var router = new LeaderRouter([]);
        Assert.Null(router.Pick(group.Group));
        router.Learn(group.Group, Nodes[0], GroupReply.Of(GroupReplyStatus.NotLeader, Nodes[1]));
        router.Update(group);
        router.Learn(group.Group, Nodes[0], GroupReply.Of(GroupReplyStatus.NotLeader, Nodes[1]));
        Assert.Equal(Nodes[1], router.Pick(group.Group));
        GroupDescriptor moved = group with
        {
            ConfigVersion = group.ConfigVersion + 1,
            Replicas = [new ReplicaPlacement(new ReplicaId(4), Nodes[4]), .. group.Replicas],
        };
        router.Update(moved);
        router.Update(group);
        Assert.Equal(Nodes[1], router.Pick(group.Group));
        router.Learn(group.Group, Nodes[1], GroupReply.Of(GroupReplyStatus.NotLeader, Nodes[4]));
        Assert.Equal(Nodes[4], router.Pick(group.Group));
        router.Update(moved with { ConfigVersion = moved.ConfigVersion + 1, Replicas = group.Replicas });
        Assert.Equal(Nodes[0], router.Pick(group.Group));
        router.Update(group with { ConfigVersion = moved.ConfigVersion + 9, Replicas = [] });
        Assert.Equal(Nodes[0], router.Pick(group.Group));
    }

    /// <summary>Descriptors as splits, merges and moves leave them, and those that are there in the end.</summary>
    private static List<GroupDescriptor> History(Random random, List<GroupDescriptor> first,
        out List<GroupDescriptor> present)
    {
        present = [.. first];
        var history = new List<GroupDescriptor>();
        uint lastGroup = (uint)first.Count;
        for (int step = 0; step < 25; step++)
        {
            int at = random.Next(present.Count);
            GroupDescriptor group = present[at];
            byte[] key = Bytes.RandomKey(random);
            bool isInside = group.Contains(key) && !key.AsSpan().SequenceEqual(group.Start);
            if (random.Next(4) == 0)
            {
                present[at] = group with { ConfigVersion = group.ConfigVersion + 1 };
            }
            else if (isInside)
            {
                ulong version = group.RangeVersion + 1;
                present[at] = group with { End = key, RangeVersion = version };
                present.Insert(at + 1, group with
                {
                    Group = new GroupId(++lastGroup),
                    Start = key,
                    RangeVersion = version,
                    ConfigVersion = 1,
                });
                history.Add(present[at + 1]);
            }
            else if (at + 1 < present.Count && random.Next(3) == 0)
            {
                GroupDescriptor source = present[at + 1];
                ulong version = Math.Max(group.RangeVersion, source.RangeVersion) + 1;
                present[at] = group with { End = source.End, RangeVersion = version };
                present.RemoveAt(at + 1);
            }
            history.Add(present[at]);
        }
        return history;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(94)]
    [InlineData(100)]
    [InlineData(StoreNodeOptions.MaxGroups)]
    public void Even_split_keys_ascend_and_give_each_group_about_the_same_share(int groups)
    {
        IReadOnlyList<byte[]> keys = FormationPlan.EvenSplitKeys(groups);
        Assert.Equal(groups - 1, keys.Count);
        int Place(byte[] key) => (key[0] - 0x21) * 94 + (key.Length > 1 ? key[1] - 0x21 : 0);
        int[] places = [0, .. keys.Select(Place), 94 * 94];
        for (int i = 1; i < places.Length; i++)
            Assert.InRange(places[i] - places[i - 1], 8836 / groups, 8836 / groups + 1);
        for (int i = 1; i < keys.Count; i++) Assert.True(NaiveByteOrder.Instance.Compare(keys[i - 1], keys[i]) < 0);
        Assert.All(keys, key => Assert.All(key, b => Assert.InRange(b, (byte)0x21, (byte)0x7e)));
        Assert.Equal(groups, FormationPlan.Create(Nodes, keys, new StoreLimits()).Groups.Count);
    }

    [Fact]
    public void Wrong_split_keys_and_nodes_are_refused()
    {
        var limits = new StoreLimits { MaxKeyBytes = 4 };
        Assert.Throws<FormationException>(() => FormationPlan.Create([], [], limits));
        Assert.Throws<FormationException>(() => FormationPlan.Create([Nodes[0], Nodes[0]], [], limits));
        Assert.Throws<FormationException>(() => FormationPlan.Create(Nodes, [[]], limits));
        Assert.Throws<FormationException>(() => FormationPlan.Create(Nodes, [[2], [1]], limits));
        Assert.Throws<FormationException>(() => FormationPlan.Create(Nodes, [[1], [1]], limits));
        Assert.Throws<FormationException>(() => FormationPlan.Create(Nodes, [[1, 2, 3, 4, 5]], limits));
    }

    [Fact]
    public void Replicas_are_spread_over_all_nodes_whatever_order_they_are_named_in()
    {
        IReadOnlyList<byte[]> keys = FormationPlan.EvenSplitKeys(10);
        FormationPlan plan = FormationPlan.Create(Nodes, keys, new StoreLimits());
        Assert.Equal(plan.Encode(), FormationPlan.Create([.. Nodes.Reverse()], keys, new StoreLimits()).Encode());
        Assert.All(plan.Groups, group => Assert.Equal(3, group.Replicas.Select(r => r.Node).Distinct().Count()));
        foreach (NodeName node in Nodes)
            Assert.Equal(6, plan.Groups.Count(group => group.Replicas.Any(r => r.Node == node)));
    }

    [Fact]
    public void A_router_follows_hints_and_goes_round_without_them()
    {
        GroupDescriptor group = FormationPlan.Create(Nodes[..3], [], new StoreLimits()).Groups[0];
        var router = new LeaderRouter([group]);
        Assert.Equal(Nodes[0], router.Pick(group.Group));
        Learn(GroupReplyStatus.NotLeader, Nodes[2], Nodes[2]);
        Learn(GroupReplyStatus.Answered, null, Nodes[2]);
        Learn(GroupReplyStatus.Busy, null, Nodes[2]);
        Learn(GroupReplyStatus.Malformed, null, Nodes[2]);
        Learn(GroupReplyStatus.Unavailable, null, Nodes[0]);
        Learn(GroupReplyStatus.Unknown, null, Nodes[1]);
        // A hint at the one that was asked is none.
        Learn(GroupReplyStatus.NotLeader, Nodes[1], Nodes[2]);
        // One at a node that is not known to have a replica is followed, and forgotten when it leads nowhere.
        Learn(GroupReplyStatus.NotLeader, Nodes[4], Nodes[4]);
        Learn(GroupReplyStatus.NotLeader, Nodes[3], Nodes[3]);
        Learn(GroupReplyStatus.Unavailable, null, Nodes[0]);
        Learn(GroupReplyStatus.NotLeader, Nodes[1], Nodes[1]);
        Learn(GroupReplyStatus.Unavailable, null, Nodes[2]);
        Learn(GroupReplyStatus.Unavailable, null, Nodes[0]);
        // An answer from a node that is no longer asked tells nothing new.
        router.Learn(group.Group, Nodes[2], GroupReply.Of(GroupReplyStatus.NotLeader, Nodes[1]));
        Assert.Equal(Nodes[0], router.Pick(group.Group));

        void Learn(GroupReplyStatus status, NodeName? hint, NodeName next)
        {
            router.Learn(group.Group, router.Pick(group.Group)!.Value, GroupReply.Of(status, hint));
            Assert.Equal(next, router.Pick(group.Group));
        }
    }
}
