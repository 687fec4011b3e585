using System.Buffers.Binary;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;

namespace Orleans.Raft.Fuzz;

/// <summary>Plans, records and limits, as several targets need them.</summary>
internal static class FuzzFormation
{
    public static readonly NodeName[] Nodes = [new("node-1"), new("node-2"), new("node-3")];

    public static readonly FormationPlan Plan = FormationPlan.Create(Nodes, [[(byte)'m']], new StoreLimits());

    public static StoreId StoreOf(NodeName node) =>
        new(new Guid(Array.IndexOf(Nodes, node) + 1, 0, 0, new byte[8]));

    public static readonly FormationRecord Record = new(new ClusterId(new Guid(9, 9, 9, new byte[8])),
        [.. Nodes.Select(node => new FormationNode(node, StoreOf(node)))], Plan.Groups, Plan.Limits);

    public static StoreLimits Limits(FuzzRandom random) => random.OneIn(2) ? new StoreLimits() : new StoreLimits
    {
        MaxKeyBytes = 1 + random.Below(1 << 16),
        MaxValueBytes = random.Below(1 << 20),
        MaxBatchBytes = (4 << 20) + random.Below(1 << 20),
        SessionWindow = 1 + random.Below(1 << 16),
        SessionAnswerBytes = (2 << 20) + random.Below(1 << 20),
        MaxSessions = 1 + random.Below(10_000_000),
        ScanPageBytes = 1 + random.Below(1 << 30),
        SessionTimeoutMilliseconds = 1 + (long)(random.Number() >> 2),
    };

    public static GroupDescriptor Descriptor(FuzzRandom random)
    {
        var replicas = new ReplicaPlacement[random.Below(4)];
        for (int i = 0; i < replicas.Length; i++)
            replicas[i] = new ReplicaPlacement(new ReplicaId(random.Number()), new NodeName(random.Text(10)),
                random.OneIn(3) ? (ReplicaRole)random.Below(4) : ReplicaRole.Voter);
        return new GroupDescriptor(new GroupId((uint)random.Number()), random.Bytes(12), random.Bytes(12),
            random.Number(), random.Number(), replicas);
    }

    public static FormationPlan AnyPlan(FuzzRandom random)
    {
        if (random.OneIn(3)) return Plan;
        var nodes = new NodeName[random.Below(4)];
        for (int i = 0; i < nodes.Length; i++) nodes[i] = random.OneIn(2) ? random.Of(Nodes) : new(random.Text(8));
        var groups = new GroupDescriptor[random.Below(4)];
        for (int i = 0; i < groups.Length; i++) groups[i] = Descriptor(random);
        return new FormationPlan(nodes, random.OneIn(3) ? Plan.Groups : groups, Limits(random));
    }

    public static FormationRecord AnyRecord(FuzzRandom random)
    {
        if (random.OneIn(3)) return Record;
        FormationPlan plan = AnyPlan(random);
        return new FormationRecord(new ClusterId(random.Guid()), [.. plan.Nodes.Select(node => new FormationNode(node,
            Nodes.Contains(node) && random.OneIn(2) ? StoreOf(node) : new StoreId(random.Guid())))], plan.Groups,
            plan.Limits)
        {
            Meta = random.OneIn(3) && Descriptor(random) is { Replicas.Count: > 0 } meta
                ? meta with { Group = GroupId.Meta }
                : null,
        };
    }

    public static byte[] Message(FuzzRandom random)
    {
        NodeName from = random.OneIn(4) ? new(random.Text(12)) : random.Of(Nodes);
        StoreId store = random.OneIn(3) ? new StoreId(random.Guid()) : StoreOf(from);
        FormationMessage message = random.Below(3) switch
        {
            0 => new FormationHello(from, store, random.OneIn(8) ? random.Bytes(30) : AnyPlan(random).Encode()),
            1 => new FormationDecided(from, store, random.OneIn(8) ? random.Bytes(30) : AnyRecord(random).Encode()),
            _ => new FormationRefused(from, store, random.Text(30)),
        };
        return message.Encode();
    }

    /// <summary>Recomputes the checksum of the formation frame that begins there.</summary>
    public static byte[] Repair(byte[] input, int at)
    {
        byte[] repaired = [.. input];
        if (repaired.Length < at + 8) return repaired;
        BinaryPrimitives.WriteUInt32LittleEndian(repaired.AsSpan(at + 4), Crc32C.Compute(repaired.AsSpan(at + 8)));
        return repaired;
    }
}

/// <summary>The frames that nodes exchange before there is a cluster.</summary>
internal sealed class FormationMessageTarget : FuzzTarget
{
    public override string Name => "formation-message";

    public override bool IsChecksummed => true;

    public override byte[] Generate(FuzzRandom random) => FuzzFormation.Message(random);

    public override byte[] Repair(byte[] input) => FuzzFormation.Repair(input, at: 0);

    public override Reading Read(byte[] input)
    {
        if (!FormationMessage.IsFormationFrame(input)) return Reading.Refused;
        try
        {
            return new Reading(true, FormationMessage.Decode(input));
        }
        catch (FormationException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, ((FormationMessage)reading.Content!).Encode(), oneForm: false);
    }

    // Of text, which takes two bytes a letter here, and which messages of exceptions repeat.
    public override long AllocationBound(int inputLength) => 8_000 + (16L * inputLength);
}

/// <summary>What a formed node keeps on its disk and tells clients.</summary>
internal sealed class FormationRecordTarget : FuzzTarget
{
    public override string Name => "formation-record";

    public override byte[] Generate(FuzzRandom random) => FuzzFormation.AnyRecord(random).Encode();

    public override Reading Read(byte[] input)
    {
        try
        {
            return new Reading(true, FormationRecord.Decode(input));
        }
        catch (FormationException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, ((FormationRecord)reading.Content!).Encode(), oneForm: false);
    }

    public override long AllocationBound(int inputLength) => 8_000 + (64L * inputLength);
}

/// <summary>What a node is configured for, as it tells others.</summary>
internal sealed class FormationPlanTarget : FuzzTarget
{
    public override string Name => "formation-plan";

    public override byte[] Generate(FuzzRandom random) => FuzzFormation.AnyPlan(random).Encode();

    public override Reading Read(byte[] input)
    {
        try
        {
            return new Reading(true, FormationPlan.Decode(input));
        }
        catch (FormationException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not FormationPlan plan) return;
        RequireSame(input, plan.Encode(), oneForm: false);
        // Any two plans can be told apart in words.
        plan.DifferenceTo(FuzzFormation.Plan);
        FuzzFormation.Plan.DifferenceTo(plan);
    }

    public override long AllocationBound(int inputLength) => 8_000 + (64L * inputLength);
}

/// <summary>A group's range and replicas.</summary>
internal sealed class DescriptorTarget : FuzzTarget
{
    public override string Name => "descriptor";

    public override byte[] Generate(FuzzRandom random) => FuzzFormation.Descriptor(random).Encode();

    public override Reading Read(byte[] input)
    {
        try
        {
            return new Reading(true, GroupDescriptor.Decode(input));
        }
        catch (InvalidDataException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, ((GroupDescriptor)reading.Content!).Encode());
    }

    // A replica of two bytes becomes a record of sixteen with a name.
    public override long AllocationBound(int inputLength) => 3_000 + (40L * inputLength);
}

/// <summary>A group's configuration, as its log holds it.</summary>
internal sealed class ConfigurationTarget : FuzzTarget
{
    public override string Name => "configuration";

    public override byte[] Generate(FuzzRandom random) => FuzzMessages.AnyConfiguration(random).Encode();

    public override Reading Read(byte[] input) => Configuration.TryDecode(input, out Configuration configuration)
        ? new Reading(true, configuration)
        : Reading.Refused;

    public override void Check(byte[] input, Reading reading)
    {
        if (!reading.IsAccepted) return;
        var configuration = (Configuration)reading.Content!;
        RequireSame(input, configuration.Encode());
        // What is accepted is one by all rules.
        Configuration.Create(configuration.Version, configuration.Voters, configuration.Learners,
            configuration.Outgoing);
    }

    // A member of three bytes becomes sixteen bytes and a name, is sorted and looked up.
    public override long AllocationBound(int inputLength) => 4_000 + (150L * inputLength);
}

/// <summary>The limits of a store.</summary>
internal sealed class LimitsTarget : FuzzTarget
{
    public override string Name => "limits";

    public override byte[] Generate(FuzzRandom random) => FuzzFormation.Limits(random).Encode();

    public override Reading Read(byte[] input)
    {
        try
        {
            return new Reading(true, StoreLimits.Decode(input));
        }
        catch (InvalidDataException)
        {
            return Reading.Refused;
        }
    }

    public override void Check(byte[] input, Reading reading)
    {
        if (reading.IsAccepted) RequireSame(input, ((StoreLimits)reading.Content!).Encode());
    }

    public override long AllocationBound(int inputLength) => 8_000;
}
