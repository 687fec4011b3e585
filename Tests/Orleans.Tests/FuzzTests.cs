using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Orleans.Raft.Client;
using Orleans.Raft.Fuzz;
using Orleans.Raft.Silo;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>
/// What silo and client read from outside, fuzzed as <c>Tests/Fuzz</c> does it. FUZZ_INPUTS asks for more; FUZZ_SEED
/// and FUZZ_NUMBER replay one input.
/// </summary>
public sealed class FuzzTests(ITestOutputHelper output)
{
    private static readonly FuzzTarget[] Targets =
    [
        new MembershipFileTarget(), new SiloSettingsTarget(), new GatewaysTarget(), new SiloOptionsTarget(),
        new KvOptionsTarget(),
    ];

    public static TheoryData<string> Names => [.. Targets.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_input_crashes_hangs_takes_too_much_or_is_taken_for_what_it_is_not(string name)
    {
        FuzzTarget target = Targets.Single(target => target.Name == name);
        long inputs = Asked("FUZZ_INPUTS") ?? 3_000;
        var fresh = (ulong)Random.Shared.NextInt64();
        output.WriteLine($"fresh seed {fresh} ({name})");
        if (Asked("FUZZ_SEED") is { } replayed && Asked("FUZZ_NUMBER") is { } number)
        {
            FuzzCase.Make(target, (ulong)replayed, number).Run();
            return;
        }
        using var watch = new HangWatch(hanging => Environment.FailFast(
            $"{hanging.Target.Name}: input {hanging.Number} of seed {hanging.Seed} does not end"));
        foreach (ulong seed in (ulong[])[1, fresh])
        {
            FuzzResult result = FuzzRun.Run(target, seed, 0, inputs, watch);
            output.WriteLine(result.ToString());
            Assert.True(result.Finding is null, result.Finding?.ToString());
            Assert.True(result.Accepted > 0 && result.Refused > 0,
                $"{name}: {result.Accepted} accepted, {result.Refused} refused: this proves little");
        }
    }

    [Theory]
    [InlineData("""{"Rows":null}""")]
    [InlineData("""{"Rows":[null]}""")]
    [InlineData("""{"VersionEtag":null}""")]
    [InlineData("""{"Rows":[{"Address":"nowhere"}]}""")]
    [InlineData("""{"Rows":[{"Address":"127.0.0.1:11111@1","Etag":null}]}""")]
    [InlineData("""{"Rows":[{"Address":"127.0.0.1:11111@1","Suspicions":null}]}""")]
    [InlineData("""{"Rows":[{"Address":"127.0.0.1:11111@1","Suspicions":[{"By":""}]}]}""")]
    [InlineData("""{"Rows":[{"Address":"127.0.0.1:11111@1","Status":99}]}""")]
    public void A_membership_file_with_a_row_that_cannot_be_is_refused(string json) => Assert.True(
        Record.Exception(() => MembershipFile.Parse(Encoding.UTF8.GetBytes(json)))
            is InvalidDataException or JsonException);

    private static long? Asked(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { } text
            ? long.Parse(text, CultureInfo.InvariantCulture)
            : null;

    private static string ReplayOf(string target, ulong seed, long number) =>
        $"FUZZ_SEED={seed} FUZZ_NUMBER={number} dotnet test Tests/Orleans.Tests -c Release "
        + $"--filter DisplayName~{target}";

    /// <summary>A target that the program of <c>Tests/Fuzz</c> does not know.</summary>
    private abstract class OrleansFuzzTarget : FuzzTarget
    {
        public override string Replay(ulong seed, long number) => ReplayOf(Name, seed, number);
    }

    /// <summary>The file of the membership table.</summary>
    private sealed class MembershipFileTarget : OrleansFuzzTarget
    {
        public override string Name => "membership-file";

        public override byte[] Generate(FuzzRandom random)
        {
            var file = new MembershipFile { Version = random.Below(9), Changes = random.Below(99), VersionEtag = "5" };
            for (int left = random.Below(3); left > 0; left--)
            {
                file.Rows.Add(new MembershipFile.Row
                {
                    Address = Address(random),
                    Etag = random.Text(3),
                    Status = (SiloStatus)random.Below(7),
                    SiloName = random.Text(5),
                    HostName = random.Text(5),
                    StartTime = DateTime.UnixEpoch,
                    Suspicions = random.OneIn(2) ? [] : [new MembershipFile.Suspicion { By = Address(random) }],
                });
            }
            return file.ToJson();
        }

        public override byte[] Mutate(FuzzRandom random, byte[] input, byte[] other)
        {
            if (random.OneIn(3)) return base.Mutate(random, input, other);
            string text = Encoding.UTF8.GetString(input);
            string[] parts = text.Split('"');
            int at = random.Below(parts.Length);
            parts[at] = random.Of("", "null", "-1", "99999999999999999999", "127.0.0.1:1@1", ":@", "@", "x:y@z",
                "S127.0.0.1:0:0", ": null,", ": [null],", "Rows", "[::1]:1@1", "1.1.1.1:99999@1", "127.0.0.1:-1@-1");
            return Encoding.UTF8.GetBytes(string.Join('"', parts));
        }

        public override Reading Read(byte[] input)
        {
            try
            {
                MembershipFile file = MembershipFile.Parse(input);
                return new Reading(true, (file, file.ToTable(file.Rows)));
            }
            catch (Exception refused) when (refused is JsonException or InvalidDataException)
            {
                return Reading.Refused;
            }
        }

        public override void Check(byte[] input, Reading reading)
        {
            if (reading.Content is not (MembershipFile file, MembershipTableData _)) return;
            RequireSame(file.ToJson(), MembershipFile.Parse(file.ToJson()).ToJson());
        }

        public override long AllocationBound(int inputLength) => 100_000 + (200L * inputLength);

        private static string Address(FuzzRandom random) =>
            $"127.0.0.{random.Below(255)}:{1 + random.Below(60000)}@{random.Below(1 << 30)}";
    }

    /// <summary>A silo's configuration, one "key value" a line.</summary>
    private sealed class SiloSettingsTarget : OrleansFuzzTarget
    {
        public override string Name => "silo-settings";

        public override bool GeneratesValid => false;

        public override byte[] Generate(FuzzRandom random)
        {
            var lines = new List<string> { "Name silo-1" };
            for (int left = random.Below(4); left > 0; left--)
                lines.Add($"{random.Of([.. SiloSettings.All.Select(o => o.Key)])} {FuzzArguments.Value(random)}");
            return FuzzArguments.Encode(lines);
        }

        public override Reading Read(byte[] input)
        {
            // As configuration does, which knows no case.
            var values = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase);
            foreach (string line in FuzzArguments.Decode(input))
            {
                int blank = line.IndexOf(' ', StringComparison.Ordinal);
                if (blank > 0) values[$"{SiloSettings.Section}:{line[..blank]}"] = line[(blank + 1)..];
            }
            IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(values).Build();
            SiloSettings? settings = SiloSettings.Read(configuration, out IReadOnlyList<string> problems);
            if (settings is null == (problems.Count == 0))
                throw new FindingException("neither settings nor problems, or both");
            if (problems.FirstOrDefault(problem => !NamesItsKey(problem)) is { } nameless)
                throw new FindingException($"'{nameless}' names no key");
            return new Reading(settings is not null, settings);
        }

        public override long AllocationBound(int inputLength) => 200_000 + (2_000L * inputLength);

        private static bool NamesItsKey(string problem) => SiloSettings.All.Any(option =>
            problem.StartsWith($"{SiloSettings.Section}:{option.Key} ({option.Argument}) is '",
                StringComparison.Ordinal));
    }

    /// <summary>The gateways that the tool is given.</summary>
    private sealed class GatewaysTarget : OrleansFuzzTarget
    {
        public override string Name => "gateways";

        public override bool GeneratesValid => false;

        public override byte[] Generate(FuzzRandom random)
        {
            IEnumerable<string> gateways = Enumerable.Range(0, 1 + random.Below(3)).Select(_ => random.Of(
                "127.0.0.1:30000", "localhost:1", "[::1]:5", "::1:5", "x:1", "1:1", ":1", "127.0.0.1:", "127.0.0.1:0",
                "127.0.0.1:70000", "127.0.0.1:+5", ""));
            return Encoding.UTF8.GetBytes(string.Join(',', gateways));
        }

        public override Reading Read(byte[] input)
        {
            try
            {
                return new Reading(true, KvArguments.ParseGateways(Encoding.UTF8.GetString(input)));
            }
            catch (ArgumentException refused)
                when (refused.Message.StartsWith("--gateways: '", StringComparison.Ordinal))
            {
                return Reading.Refused;
            }
        }

        public override void Check(byte[] input, Reading reading)
        {
            if (reading.Content is not GatewayHost[] endpoints) return;
            string[] texts = Encoding.UTF8.GetString(input).Split(',', StringSplitOptions.TrimEntries);
            if (endpoints.Length != texts.Length) throw new FindingException("another number of gateways");
            for (int i = 0; i < texts.Length; i++)
            {
                // .NET reads numbers past zeros at their end, which no argument of a program can hold.
                string port = texts[i][(texts[i].LastIndexOf(':') + 1)..].TrimStart('0').TrimEnd('\0');
                if (port != endpoints[i].Port.ToString(CultureInfo.InvariantCulture))
                    throw new FindingException($"'{texts[i]}' read as {endpoints[i]}");
            }
        }

        public override long AllocationBound(int inputLength) => 10_000 + (400L * inputLength);
    }

    /// <summary>The command line of a silo.</summary>
    private sealed class SiloOptionsTarget : CommandLineTarget
    {
        private readonly SiloArguments _arguments;

        public SiloOptionsTarget()
            : this(new SiloArguments())
        {
        }

        private SiloOptionsTarget(SiloArguments arguments)
            : base(arguments.Root, "--nodes silo-1,silo-2 silo-1", "--data a @b", "--groups 1 4096",
                "--silo-port 1 11111", "--gateway-port 2 65535", "--address 127.0.0.1 ::1", "--cluster-id a",
                "--membership a/b @c", "--log-segment 1 1024", "--snapshot-after 1 1048576", "--no-fsync", "--verbose",
                "--zone a @b", "--join", "--replicas 1 9", "--split-size 2 1048576", "--merge-size 0 1",
                "--gone-after 5 1073741824", "--moves 1 1000", "--no-balance", "--listen-any",
                "--health-port 3 65534", "--stop-within 1 600", "--clustering development")
        {
            _arguments = arguments;
            arguments.Root.SetAction(_ => 0);
        }

        public override string Name => "silo-options";

        public override byte[] Generate(FuzzRandom random)
        {
            string[] rest = [.. FuzzArguments.Decode(base.Generate(random))];
            // Only a silo that joins is none of those that form the cluster.
            return FuzzArguments.Encode(["--name", rest.Contains("--join") ? "silo-4" : "silo-1", .. rest]);
        }

        public override string Replay(ulong seed, long number) => ReplayOf(Name, seed, number);

        protected override object? Meaning(ParseResult parsed) => SiloSettings.Read(
            new ConfigurationBuilder().AddInMemoryCollection(_arguments.Read(parsed)).Build(), out _);

        protected override void RequireMeant(Said said, string[] rest, object meaning)
        {
            var settings = (SiloSettings)meaning;
            RequireNothing(rest);
            said.Require("--name", settings.Name.Value, null);
            said.Require("--data", settings.Data, "./data");
            said.Require("--groups", settings.Groups, null);
            said.Require("--silo-port", settings.SiloPort, 11111);
            said.Require("--gateway-port", settings.GatewayPort, 30000);
            said.Require("--cluster-id", settings.ClusterId, "orleans-raft");
            said.Require("--membership", settings.Membership, Path.Combine(settings.Data, "membership.json"));
            said.Require("--log-segment", settings.LogSegmentBytes >> 20, 32);
            said.Require("--snapshot-after", settings.SnapshotLogBytes >> 20, 32L);
            var placement = settings.Controller.Placement;
            said.Require("--replicas", placement.ReplicaCount, 3);
            said.Require("--split-size", placement.SplitBytes >> 20, 64L);
            said.Require("--merge-size", placement.MergeBytes >> 20, 0L);
            said.Require("--gone-after", (long)placement.GoneAfter.TotalSeconds, 600L);
            said.Require("--moves", placement.MaxMoves, 4);
            said.Require("--no-balance", !settings.Controller.IsBalanceOn, false);
            said.Require("--zone", settings.Zone, "");
            said.Require("--join", settings.Joins, false);
            said.Require("--no-fsync", !settings.FlushToDisk, false);
            said.Require("--address", settings.Address, "127.0.0.1");
            said.Require("--listen-any", settings.ListensOnAny, false);
            said.Require("--health-port", settings.HealthPort, null);
            said.Require("--stop-within", (long)settings.StopWithin.TotalSeconds, 5L);
            if (settings.Database is not null) throw new FindingException("a database that nobody gave");
        }
    }

    /// <summary>The command line of the kv tool; what follows its options is the shell's.</summary>
    private sealed class KvOptionsTarget : CommandLineTarget
    {
        private readonly KvArguments _arguments;

        public KvOptionsTarget()
            : this(new KvArguments())
        {
        }

        private KvOptionsTarget(KvArguments arguments)
            : base(arguments.Root, "--gateways 127.0.0.1:1 localhost:65535 [::1]:7", "--cluster-id a @b", "--no-color",
                "--verbose")
        {
            _arguments = arguments;
            arguments.Root.SetAction(_ => 0);
        }

        public override string Name => "kv-options";

        public override string Replay(ulong seed, long number) => ReplayOf(Name, seed, number);

        protected override string[] Words(FuzzRandom random) => random.Below(4) switch
        {
            0 => [],
            1 => ["put", "@a", random.Text(3)],
            2 => ["scan", "", "", "--limit=5", "--raw"],
            _ => ["bench", "put", "--clients", "8", "--verbose", "--", "-x"],
        };

        // It might be a command.
        protected override bool FlagsTakeWords => false;

        protected override string[] Arrange(string[] arguments) => KvArguments.Split(arguments);

        protected override object Meaning(ParseResult parsed) => _arguments.Read(parsed);

        protected override void RequireMeant(Said said, string[] rest, object meaning)
        {
            var request = (KvRequest)meaning;
            if (!request.Command.SequenceEqual(rest))
                throw new FindingException($"the command is {string.Join('|', request.Command)}");
            said.Require("--cluster-id", request.ClusterId, "orleans-raft");
            said.Require("--no-color", request.NoColor, false);
            said.Require("--verbose", request.Verbose, false);
            string gateways = said["--gateways"] ?? KvArguments.DefaultGateways;
            if (!KvArguments.ParseGateways(gateways).SequenceEqual(request.Gateways))
                throw new FindingException($"other gateways than {gateways}");
        }
    }
}
