using System.CommandLine;
using System.Text;
using Orleans.Raft.Bench;
using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Fuzz;

/// <summary>Arguments of a program, one a line of the input.</summary>
internal static class FuzzArguments
{
    public static byte[] Encode(IEnumerable<string> arguments) => Encoding.UTF8.GetBytes(string.Join('\n', arguments));

    public static string[] Decode(byte[] input) => input.Length == 0 ? [] : Encoding.UTF8.GetString(input).Split('\n');

    public static string Value(FuzzRandom random) => random.Below(7) switch
    {
        0 => random.Of("0", "1", "3", "-1", "64", "65", "8192", "8193", "2147483647", "2147483648"),
        1 => random.Of("1e300", "NaN", "Infinity", "-0", "0.1", "1,5", "1e-300", "922337203685.5", "0x10"),
        2 => random.Of("a,b", "b,a", "a\\x00,b", "\\q", "a\\,b", ",", "", "\\x", "a,,b"),
        3 => random.Of("127.0.0.1:2379", "host", "::1", "http://x", "a b:1", "[::1]:70000", "x:y,z",
            "host:99999", "@a"),
        4 => random.Of("true", "false", "all", "leader", "core", "etcd"),
        _ => random.Text(8),
    };

    public static byte[] Any(FuzzRandom random, ReadOnlySpan<string> first, ReadOnlySpan<string> names)
    {
        var arguments = new List<string>();
        if (first.Length > 0 && !random.OneIn(20)) arguments.Add(random.Of(first));
        for (int left = random.Below(5); left > 0; left--)
        {
            string name = random.OneIn(20) ? "--" + random.Text(5) : random.Of(names);
            string value = Value(random);
            if (random.OneIn(3)) arguments.Add($"{name}={value}");
            else
            {
                arguments.Add(name);
                if (!random.OneIn(5)) arguments.Add(value);
            }
        }
        return Encode(arguments);
    }
}

/// <summary>The command line of the measuring program.</summary>
internal sealed class BenchOptionsTarget : FuzzTarget
{
    private static readonly string[] s_commands =
        ["flush", "core", "map", "log", "embedded", "memory", "postgresql", "orleans", "etcd", "figures"];

    private static readonly string[] s_names =
    [
        "--seconds", "--warmup", "--runs", "--clients", "--keys", "--value-bytes", "--seed", "--data", "--etcd",
        "--etcd-target", "--etcd-connections", "--kv", "--parts", "--memory-keys", "--pgbench-protocol",
    ];

    private readonly BenchOptions _options = new();
    private readonly RootCommand _root;

    public BenchOptionsTarget() => _root = BenchCommands.Create(_options);

    public override string Name => "bench-options";

    public override int Weight => 5;

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random) => FuzzArguments.Any(random, s_commands, s_names);

    public override Reading Read(byte[] input)
    {
        ParseResult parsed = StrictCommandLine.Parse(_root, FuzzArguments.Decode(input), out string? problem);
        if (problem is not null || parsed.Action != parsed.CommandResult.Command.Action)
            return Reading.Refused;
        try
        {
            LoadPlan plan = _options.Plan(parsed, clients: 1);
            if (_options.EtcdOptions(parsed) is { } etcd)
                foreach (string endpoint in etcd.Endpoints) EtcdConnection.AddressOf(endpoint);
            return new Reading(true, plan);
        }
        catch (BenchException)
        {
            return Reading.Refused;
        }
    }

    public override long AllocationBound(int inputLength) => 300_000 + (2_000L * inputLength);
}

/// <summary>What an etcd answers the measuring program.</summary>
internal sealed class EtcdAnswerTarget : FuzzTarget
{
    public override string Name => "etcd-answers";

    public override bool GeneratesValid => false;

    public override byte[] Generate(FuzzRandom random)
    {
        var message = new System.Buffers.ArrayBufferWriter<byte>();
        for (int left = random.Below(5); left > 0; left--)
        {
            if (random.OneIn(2)) ProtobufWriter.WriteBytes(message, 1 + random.Below(6), Inner(random));
            else
            {
                ProtobufWriter.WriteVarint(message,
                    ((ulong)(1 + random.Below(6)) << 3) | random.Of(0UL, 1UL, 5UL, 7UL));
                ProtobufWriter.WriteVarint(message, random.Number());
            }
        }
        return GrpcFrame.Wrap(message.WrittenSpan);
    }

    public override byte[] Repair(byte[] input) => input.Length < GrpcFrame.HeaderBytes
        ? input
        : GrpcFrame.Wrap(input.AsSpan(GrpcFrame.HeaderBytes));

    public override Reading Read(byte[] input)
    {
        try
        {
            EtcdMessages.TryReadValue(input, out _);
            EtcdMessages.ReadStatus(input);
            return new Reading(true);
        }
        catch (InvalidDataException)
        {
            return Reading.Refused;
        }
    }

    // A text of one byte, which a later one replaces, takes 32.
    public override long AllocationBound(int inputLength) => 8_000 + (24L * inputLength);

    private static byte[] Inner(FuzzRandom random)
    {
        var message = new System.Buffers.ArrayBufferWriter<byte>();
        ProtobufWriter.WriteBytes(message, random.Of(1, 2, 5), random.Bytes(20));
        return random.OneIn(4) ? random.Bytes(10) : message.WrittenSpan.ToArray();
    }
}
