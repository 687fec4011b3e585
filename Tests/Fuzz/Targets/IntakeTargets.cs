using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Storage;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Fuzz;

/// <summary>Whatever arrives at a node of a formed cluster.</summary>
internal sealed class FrameIntakeTarget : FuzzTarget
{
    private readonly FrameWriter _writer = new();
    private StoreNode? _node;

    public override string Name => "frame-intake";

    public override int Weight => 20;

    public override bool IsChecksummed => true;

    // Generated frames also have addresses that are refused.
    public override bool GeneratesValid => false;

    private StoreNode Node => _node ??= Form();

    public override byte[] Generate(FuzzRandom random)
    {
        FormationRecord record = Node.Formation;
        _writer.Begin(new FrameHeader(record.Cluster, FuzzFormation.StoreOf(random.Of(FuzzFormation.Nodes)),
            Node.Storage.StoreId));
        for (int left = random.Below(4); left > 0; left--)
        {
            MessageAddress address = random.OneIn(3)
                ? FuzzMessages.Address(random)
                : new(new GroupId((uint)random.Below(3)), new ReplicaId((ulong)random.Below(4)),
                    new ReplicaId((ulong)random.Below(4)));
            _writer.Append(address, FuzzMessages.Next(random));
        }
        return _writer.Written.ToArray();
    }

    public override byte[] Repair(byte[] input) => FrameTarget.RepairFrame([.. input], at: 0);

    public override Reading Read(byte[] input)
    {
        long before = Node.RefusedMessages;
        Node.Receive(input);
        bool isFormation = FormationMessage.IsFormationFrame(input);
        return new Reading(!isFormation && Node.RefusedMessages == before);
    }

    /// <summary>One flipped bit costs a message at least; only what takes a frame for one of formation is not
    /// counted.</summary>
    public override void CheckDamaged(byte[] original, byte[] damaged, Reading reading)
    {
        if (reading.IsAccepted) throw new FindingException("a flipped bit was not counted");
    }

    public override long AllocationBound(int inputLength) => 8_000 + (40L * inputLength);

    private static StoreNode Form()
    {
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        StoreNode node = scheduler.Run(() => StoreNode.StartAsync(new StoreNodeOptions
        {
            Name = FuzzFormation.Nodes[0],
            Nodes = FuzzFormation.Nodes,
            SplitKeys = [[(byte)'m']],
            Time = time,
            Scheduler = scheduler,
            Seed = 1,
            LogSegmentBytes = 16 << 10,
            Logger = NullLogger.Instance,
        }, context => NodeStorage.OpenOwnedAsync(new SimulatedDisk(), context), new Nowhere()));
        scheduler.Run(() =>
        {
            foreach (NodeName peer in FuzzFormation.Nodes[1..])
            {
                node.Receive(new FormationHello(peer, FuzzFormation.StoreOf(peer), FuzzFormation.Plan.Encode())
                    .Encode());
            }
            return node.Formed;
        });
        return node;
    }
}

/// <summary>Whatever arrives at a node that is not part of a cluster yet, or just became one.</summary>
/// <remarks>The first byte of an input says which node; the rest is the frame.</remarks>
internal sealed class FormationIntakeTarget : FuzzTarget
{
    public override string Name => "formation-intake";

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random) => [(byte)random.Below(6), .. FuzzFormation.Message(random)];

    public override byte[] Repair(byte[] input) => FuzzFormation.Repair(input, at: 1);

    public override Reading Read(byte[] input)
    {
        if (input.Length == 0 || !FormationMessage.IsFormationFrame(input.AsSpan(1))) return Reading.Refused;
        NodeName self = FuzzFormation.Nodes[input[0] % 3];
        bool isFormed = input[0] % 2 == 1;
        var log = new RefusalLog();
        var formation = new ClusterFormation(self, FuzzFormation.Plan, joins: false, joinsIfFormed: false,
            new FormationStorage(self, isFormed), new Nowhere(), () => new Guid(7, 7, 7, new byte[8]), log);
        formation.Start();
        formation.Receive(input.AsSpan(1));
        formation.Tick(TimeSpan.FromSeconds(1));
        formation.Receive(input.AsSpan(1));
        return new Reading(!log.Refused, formation);
    }

    /// <summary>A formed node stays formed; one that is not becomes it only by what names its own disk.</summary>
    public override void Check(byte[] input, Reading reading)
    {
        if (reading.Content is not ClusterFormation formation || !formation.Formed.IsCompleted) return;
        if (formation.Formed.IsFaulted)
        {
            if (formation.Formed.Exception!.InnerException is not FormationException)
                throw new FindingException($"failed with {formation.Formed.Exception.InnerException}");
            if (input[0] % 2 == 1) throw new FindingException("a formed node was talked out of its cluster");
            return;
        }
        NodeName self = FuzzFormation.Nodes[input[0] % 3];
        if (formation.Formed.Result.StoreOf(self) != FuzzFormation.StoreOf(self))
            throw new FindingException("a record of another disk was taken");
    }

    // Plans, records and frames are written several times for the answers.
    public override long AllocationBound(int inputLength) => 80_000 + (200L * inputLength);

    private sealed class RefusalLog : ILogger
    {
        public bool Refused { get; private set; }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Refused |= eventId.Id == 3;
    }

    private sealed class FormationStorage(NodeName self, bool isFormed) : INodeStorage
    {
        public StoreId StoreId => FuzzFormation.StoreOf(self);

        public ReadOnlyMemory<byte>? Formation { get; } =
            isFormed ? FuzzFormation.Record.Encode() : default(ReadOnlyMemory<byte>?);

        public IReadOnlyList<StoredReplica> Replicas => [];

        public StorageStatus Status => throw new NotSupportedException();

        public TimeSpan StalledFor => TimeSpan.Zero;

        public Exception? Failure => null;

        public ValueTask WriteFormationAsync(ReadOnlyMemory<byte> formation) => ValueTask.CompletedTask;

        public ValueTask RewriteFormationAsync(ReadOnlyMemory<byte> formation) => ValueTask.CompletedTask;

        public StoredReplica FindReplica(GroupId group) => new(group, default, default, null);

        public ValueTask<IReplicaStorage> OpenReplicaAsync(GroupId group, ReplicaId replica) =>
            throw new NotSupportedException();

        public ValueTask RetireReplicaAsync(GroupId group, ReplicaId replica) => throw new NotSupportedException();

        public bool NeedsConfirming => false;

        public ValueTask ConfirmAsync() => ValueTask.CompletedTask;

        public ValueTask CrashAsync() => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}

/// <summary>A network that loses everything.</summary>
internal sealed class Nowhere : INetwork
{
    public ValueTask SendAsync(NodeName to, ReadOnlyMemory<byte> frame) => ValueTask.CompletedTask;
}
