namespace Orleans.Raft.Core.Tests;

public sealed class ConfigurationTests
{
    private static readonly Configuration s_group = Configuration.Create(7, [M(3), M(1), M(2)], [M(4)]);

    [Fact]
    public void Format_is_what_version_1_wrote()
    {
        // Logs hold these bytes: they may never change.
        Configuration joint = Configuration.Create(300, [M(1)], [M(4)], [M(1), M(200)]);
        Assert.Equal("01" + "AC02" + "01" + "01026E31" + "02" + "01026E31" + "C801046E323030" + "01" + "04026E34",
            Convert.ToHexString(joint.Encode()));
    }

    [Fact]
    public void Format_with_the_highest_id_is_what_version_2_wrote()
    {
        Configuration group = Configuration.Create(7, [M(1)], [], highestReplica: R(300));
        Assert.Equal("02" + "07" + "01" + "01026E31" + "00" + "00" + "AC02", Convert.ToHexString(group.Encode()));
    }

    [Fact]
    public void The_highest_id_ever_used_stays_known_whoever_leaves()
    {
        Assert.Equal(R(4), s_group.HighestReplica);
        Assert.True(s_group.TryChange(Changes.Add(9), out Configuration added, out _));
        Assert.True(added.TryChange(Changes.Remove(9), out Configuration removed, out _));
        Assert.True(removed.TryChange(Changes.Swap([4], 3), out Configuration target, out _));
        Configuration joint = removed.JoinedWith(target);
        Assert.True(Configuration.TryDecode(joint.Left().Encode(), out Configuration left));
        Assert.Equal([R(9), R(9), R(9), R(9)],
            [added.HighestReplica, removed.HighestReplica, joint.HighestReplica, left.HighestReplica]);
        Assert.Equal((true, false, false), (left.HasLeft(R(9)), left.HasLeft(R(4)), left.HasLeft(R(10))));
        Assert.True(removed.TryChange(Changes.Add(10), out _, out _));
        foreach (ulong used in new ulong[] { 5, 9 })
        {
            Assert.False(removed.TryChange(Changes.Add(used), out _, out string problem));
            Assert.Equal($"r{used} is used up: ids up to r9 belong to replicas that are here or were. "
                + "Take a higher one.", problem);
        }
    }

    [Fact]
    public void What_was_encoded_is_decoded_and_nothing_else()
    {
        var random = new SplitMix64(5);
        for (int i = 0; i < 2_000; i++)
        {
            Configuration written = RandomMessages.Configuration(ref random);
            byte[] bytes = written.Encode();
            Assert.True(Configuration.TryDecode(bytes, out Configuration read));
            Assert.Equal(written, read);
            Assert.Equal(written.ToString(), read.ToString());
            Assert.False(Configuration.TryDecode([.. bytes, 0], out _), "a byte follows");
            Assert.False(Configuration.TryDecode(bytes.AsSpan(0, (int)random.NextBelow((ulong)bytes.Length)), out _));
            bytes[random.NextBelow((ulong)bytes.Length)] = (byte)random.Next();
            if (Configuration.TryDecode(bytes, out read)) Assert.Equal(read, Redone(read));
        }
    }

    [Theory]
    [InlineData("03 07 01 01 01 61 00 00", "another format")]
    [InlineData("02 07 01 01 01 61 00 00", "no highest id, though the format has one")]
    [InlineData("02 07 01 01 01 61 00 00 00", "no highest id")]
    [InlineData("02 07 01 01 01 61 00 00 01", "a highest id that a member has")]
    [InlineData("01 07 00 00 00", "no voter")]
    [InlineData("01 07 02 01 01 61 01 01 61 00 00", "twice")]
    [InlineData("01 07 02 02 01 62 01 01 61 00 00", "unsorted")]
    [InlineData("01 07 01 01 01 61 00 01 01 01 61", "a learner that votes")]
    [InlineData("01 07 01 01 01 61 01 02 01 62 01 02 01 62", "a learner that voted")]
    [InlineData("01 07 01 01 01 61 01 01 01 62 00", "one replica on two nodes")]
    [InlineData("01 07 01 01 01 61 00 01 02 01 61", "one node with two replicas")]
    [InlineData("01 07 01 01 01 61 01 01 01 61 00", "a change of nothing")]
    [InlineData("01 07 01 00 01 61 00 00", "nobody")]
    [InlineData("01 07 01 01 00 00 00", "nowhere")]
    [InlineData("01 07 01 01 01 FF 00 00", "no text")]
    [InlineData("01 07 FF FF FF FF 0F 01 01 61 00 00", "a count beyond the input")]
    [InlineData("01 07 01 01 01 61 00 00 00", "a byte too many")]
    public void Malformed_bytes_are_refused(string hex, string why)
    {
        byte[] bytes = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
        Assert.False(Configuration.TryDecode(bytes, out Configuration read), why);
        Assert.True(read.IsNone);
        Assert.True(Configuration.TryDecode([1, 7, 1, 1, 1, 0x61, 0, 0], out _));
    }

    [Fact]
    public void A_change_of_learners_is_one_step_and_one_of_voters_two()
    {
        Assert.True(s_group.TryChange(Changes.Add(5), out Configuration learns, out _));
        Assert.Equal((8ul, "1 2 3 learns 4 5", true),
            (learns.Version, Changes.Shape(learns), learns.HasVotersOf(s_group)));
        Assert.True(s_group.TryChange(Changes.Swap([4], 1), out Configuration target, out _));
        Assert.False(target.HasVotersOf(s_group));
        Configuration joint = s_group.JoinedWith(target);
        Assert.Equal((8ul, "2 3 4 was 1 2 3", 9ul, "2 3 4"),
            (joint.Version, Changes.Shape(joint), joint.Left().Version, Changes.Shape(joint.Left())));
        Assert.Equal([M(1), M(2), M(3), M(4)], joint.Members);
    }

    [Fact]
    public void A_change_that_makes_no_sense_is_refused_in_words()
    {
        (MembershipChange Change, string Problem)[] refused =
        [
            (new MembershipChange(), "Nothing is to be changed."),
            (Changes.Add(2), "r2 is a member already."),
            (Changes.Add(4), "r4 is a member already."),
            (Changes.Add(0), "A replica's id must not be 0."),
            (Changes.Add(5, 5), "r5 is named twice, or out of order."),
            (new MembershipChange { Add = [new Member(R(5), M(2).Node)] }, "n2 would hold two replicas."),
            (new MembershipChange { Add = [new Member(R(5), M(2).Node)], Remove = [R(2)] },
                "n2 would hold two replicas."),
            (new MembershipChange { Add = [new Member(R(5), default)] }, "r5 is on no node."),
            (Changes.Promote(2), "r2 is no learner, so it cannot be promoted; add it first."),
            (Changes.Promote(9), "r9 is no learner, so it cannot be promoted; add it first."),
            (Changes.Remove(9), "r9 is no member."),
            (Changes.Swap([4], 4), "r4 cannot be promoted and removed at once."),
            (Changes.Remove(1, 2, 3), "There must be a voter."),
        ];
        foreach ((MembershipChange change, string expected) in refused)
        {
            Assert.False(s_group.TryChange(change, out Configuration changed, out string problem), $"{change}");
            Assert.Equal((expected, true), (problem, changed.IsNone));
        }
    }

    [Fact]
    public void Quorums_agree_with_counting_by_hand()
    {
        var random = new SplitMix64(11);
        for (int i = 0; i < 3_000; i++)
        {
            Configuration group = RandomMessages.Configuration(ref random);
            var voters = new VoterSet(group, default);
            HashSet<ReplicaId> agree = [.. Enumerable.Range(1, 9).Select(id => R((ulong)id))];
            agree.RemoveWhere(_ => random.NextBelow(2) == 0);
            bool incoming = 2 * group.Voters.Count(voter => agree.Contains(voter.Id)) > group.Voters.Count;
            bool outgoing = !group.IsJoint
                || 2 * group.Outgoing.Count(voter => agree.Contains(voter.Id)) > group.Outgoing.Count;
            ulong[] values = [.. voters.Members.Select(voter => agree.Contains(voter) ? 9ul : 4)];
            Assert.Equal(incoming && outgoing, voters.IsQuorum(agree));
            Assert.Equal(incoming && outgoing ? 9ul : 4, voters.ReachedByQuorum(values));
            HashSet<ReplicaId> rest = [.. voters.Members.Where(voter => !agree.Contains(voter))];
            Assert.False(voters.IsQuorum(agree) && voters.IsRefused(rest));
        }
    }

    private static Configuration Redone(Configuration read) =>
        Configuration.Create(read.Version, read.Voters, read.Learners, read.Outgoing, read.HighestReplica);
}
