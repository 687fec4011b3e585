using Orleans.Raft.Core;
using Xunit;

namespace Orleans.Raft.KeyValue.Tests.State;

/// <summary>A group's members as its state and descriptor know them.</summary>
public sealed class MembershipTests
{
    private static readonly Configuration s_joint =
        Configuration.Create(9, [On(1), On(3)], [On(4)], outgoing: [On(1), On(2)]);

    [Fact]
    public void A_configuration_that_is_applied_changes_the_descriptor()
    {
        var group = new TestGroup(start: "b");
        Assert.Empty(Answer.All(group.Apply(s_joint.Encode(), EntryKind.Configuration)));
        GroupDescriptor descriptor = group.State.Descriptor;
        Assert.Equal((9ul, 3ul, 1ul),
            (descriptor.ConfigVersion, descriptor.RangeVersion, group.State.LastApplied.Index.Value));
        Assert.Equal([(1ul, ReplicaRole.Voter), (2ul, ReplicaRole.Outgoing), (3ul, ReplicaRole.Incoming),
            (4ul, ReplicaRole.Learner)], descriptor.Replicas.Select(replica => (replica.Id.Value, replica.Role)));
        Assert.Equal(s_joint, descriptor.ToConfiguration());
        Answer refused = group.Write(group.Open(), 1, 1,
            Operation.Put(ColumnFamily.Default, Bytes.Of("a"), Bytes.Of("x")));
        Assert.Equal(AnswerStatus.WrongRange, refused.Status);
        Assert.Equal(descriptor, refused.Descriptor);
    }

    [Fact]
    public void A_snapshot_carries_the_members_and_their_roles()
    {
        var group = new TestGroup();
        group.Apply(s_joint.Encode(), EntryKind.Configuration);
        byte[] content = new byte[10_000];
        int length = new GroupStateEncoder(group.State.Snapshot()).Fill(content);
        var decoder = new GroupStateDecoder(group.State.Limits);
        decoder.Add(content.AsSpan(0, length));
        Assert.Equal(s_joint, decoder.Complete().Descriptor.ToConfiguration());
    }

    [Fact]
    public void Configurations_and_descriptors_say_the_same()
    {
        foreach (Configuration configuration in new[]
        {
            s_joint, s_joint.Left(), Configuration.Create(1, [On(1), On(2), On(3)], []),
            Configuration.Create(2, [On(5)], [On(1), On(2)]), Configuration.Create(3, [On(2)], [], [On(1), On(2)]),
        })
        {
            GroupDescriptor descriptor = TestGroup.DescriptorOf("a", "b").With(configuration);
            Assert.Equal(configuration, descriptor.ToConfiguration());
            Assert.Equal(configuration, GroupDescriptor.Decode(descriptor.Encode()).ToConfiguration());
        }
    }

    [Fact]
    public void Descriptors_of_plain_voters_are_written_as_they_always_were()
    {
        byte[] plain = TestGroup.DescriptorOf("a", "b").Encode();
        byte[] joint = TestGroup.DescriptorOf("a", "b").With(s_joint).Encode();
        Assert.Equal((1, 2), (plain[0], joint[0]));
        joint[^1] = 4;
        Assert.Contains("no role", Assert.Throws<InvalidDataException>(() => GroupDescriptor.Decode(joint)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_highest_replica_is_written_only_where_it_is_gone()
    {
        GroupDescriptor plain = TestGroup.DescriptorOf("a", "b");
        ReplicaId highest = plain.Replicas.Max(replica => replica.Id);
        Assert.Equal(highest, plain.HighestReplica);
        GroupDescriptor gone = plain with { HighestReplica = new ReplicaId(300) };
        byte[] bytes = gone.Encode();
        Assert.Equal(3, bytes[0]);
        Assert.Equal(gone, GroupDescriptor.Decode(bytes));
        Assert.NotEqual(plain, gone);
        Assert.Equal(new ReplicaId(300), gone.ToConfiguration().HighestReplica);
        Assert.Equal(gone, plain.With(gone.ToConfiguration()));
        NodeName home = plain.Replicas.First(replica => replica.Id == highest).Node;
        Assert.Equal([true, false, false, true], new[] { (300, home), ((int)highest.Value, home), (301, home),
            ((int)highest.Value, new NodeName("elsewhere")) }
            .Select(at => gone.HasLeft(new ReplicaId((ulong)at.Item1), at.Item2)));
        // A number that a replica there has must not be written.
        byte[] needless = [.. bytes[..^2], (byte)highest.Value];
        Assert.Contains("although that is there",
            Assert.Throws<InvalidDataException>(() => GroupDescriptor.Decode(needless)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => GroupDescriptor.Decode(bytes.AsSpan(0, bytes.Length - 2)));
    }

    [Fact]
    public void Replicas_that_cannot_be_a_groups_are_refused()
    {
        GroupDescriptor twice = TestGroup.DescriptorOf("a", "b") with
        {
            Replicas = [new ReplicaPlacement(new ReplicaId(1), new NodeName("one")),
                new ReplicaPlacement(new ReplicaId(2), new NodeName("one"))],
        };
        Assert.Contains("one would hold two replicas",
            Assert.Throws<InvalidDataException>(() => twice.ToConfiguration()).Message, StringComparison.Ordinal);
        GroupDescriptor nobody = twice with { Replicas = [] };
        Assert.Throws<InvalidDataException>(() => nobody.ToConfiguration());
    }

    private static Member On(ulong id) => new(new ReplicaId(id), new NodeName($"node-{id}"));
}
