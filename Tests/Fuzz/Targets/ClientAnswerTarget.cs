using Orleans.Raft.Core;
using Orleans.Raft.KeyValue;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Fuzz;

/// <summary>What a silo answers a client: every call ends, and with an exception that says what is known.</summary>
/// <remarks>Byte 0 of an input says which call, byte 1 the reply's status; the rest are the answers.</remarks>
internal sealed class ClientAnswerTarget : FuzzTarget
{
    private static readonly StoreRoutes s_routes = new(new RangeMap(FuzzFormation.Plan.Groups), new StoreLimits());
    private static readonly byte[] s_sessionOpened = SessionOpened();

    private static readonly KvClientOptions s_options = new()
    {
        Timeout = TimeSpan.FromMilliseconds(100),
        FirstBackoff = TimeSpan.FromMilliseconds(50),
        MaxBackoff = TimeSpan.FromMilliseconds(50),
    };

    public override string Name => "client-answers";

    public override int Weight => 4;

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random) =>
        [(byte)(random.OneIn(6) ? random.Bits() : (ulong)random.Below(5)),
        random.OneIn(8) ? (byte)random.Below(8) : (byte)GroupReplyStatus.Answered,
        .. random.OneIn(3) ? FuzzBatches.Answers(random) : FuzzBatches.Answer(random)];

    public override Reading Read(byte[] input)
    {
        if (input.Length < 2) return Reading.Refused;
        var scheduler = new DeterministicScheduler();
        var time = new VirtualTime(scheduler);
        var client = new KvClient(new Connection(input), time, scheduler, s_options, seed: 1);
        Task call = scheduler.Start(() => CallAsync(client, input[0]));
        for (int step = 0; step < 20 && !call.IsCompleted; step++)
        {
            scheduler.RunUntilIdle(maxSteps: 100_000);
            time.Advance(TimeSpan.FromMilliseconds(50));
        }
        scheduler.RunUntilIdle(maxSteps: 100_000);
        if (!call.IsCompleted) throw new FindingException("the call did not end by its deadline");
        // What makes no sense is told as what it is.
        if (call.Exception?.InnerException is { } failure and not (KeyValueException or InvalidDataException
            or InvariantViolationException))
            throw new FindingException($"the call failed with {failure}");
        scheduler.Run(() => client.DisposeAsync().AsTask());
        return new Reading(call.IsCompletedSuccessfully);
    }

    // Calls are repeated until their deadline, each time with all of the reply.
    public override long AllocationBound(int inputLength) => 400_000 + (20_000L * inputLength);

    private static async Task CallAsync(KvClient client, byte kind)
    {
        switch (kind % 5)
        {
            case 0: await client.GetAsync("a"u8.ToArray()); break;
            case 1: await client.PutAsync("a"u8.ToArray(), "b"u8.ToArray()); break;
            case 2: await client.CompareAndSetAsync("z"u8.ToArray(), null, "b"u8.ToArray()); break;
            case 3: await client.BatchAsync([new WriteOperation("a"u8.ToArray(), null)]); break;
            default:
                int rows = 0;
                var options = new ScanOptions(Reverse: kind > 100);
                await foreach (KeyValueEntry _ in client.ScanAsync(default, default, options))
                    if (++rows == 200) break;
                break;
        }
    }

    private static byte[] SessionOpened()
    {
        var writer = new AnswerBatchWriter();
        writer.AddSessionOpened(new SessionId(5));
        return writer.ToArray();
    }

    /// <summary>Opens a session, unless that is what the input is to answer; then gives the input's answers.</summary>
    private sealed class Connection(byte[] input) : IStoreConnection
    {
        public ValueTask<StoreRoutes?> GetRoutesAsync() => ValueTask.FromResult<StoreRoutes?>(s_routes);

        public Task<GroupReply> ExecuteAsync(GroupId group, GroupRequest request)
        {
            bool opens = request.Kind == RequestKind.Write && request.Batch.Span[5] == 0;
            return Task.FromResult(opens && input[0] < 128
                ? new GroupReply(GroupReplyStatus.Answered, s_sessionOpened)
                : new GroupReply((GroupReplyStatus)input[1], input.AsMemory(2)));
        }
    }
}
