using System.Globalization;
using System.Text.Json;

namespace Orleans.Raft.Bench;

/// <summary>Loads running silos through a shell of their own, in a process of its own, which measures itself.</summary>
internal static class OrleansLoad
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(90);

    /// <param name="shellCommand">The command line that opens the shell.</param>
    /// <param name="writesKeys">Whether every key is written once before reading.</param>
    /// <exception cref="BenchException">The shell failed, or did not answer as expected.</exception>
    public static async Task<Measurement> RunAsync(
        string shellCommand, LoadKind kind, LoadPlan plan, bool writesKeys, CancellationToken cancellationToken)
    {
        CpuTimes before = CpuTimes.Now();
        ChildResult child =
            await ChildProcess.RunAsync(ChildProcess.Shell(shellCommand), Line(kind, plan, writesKeys) + "\n",
            plan.Duration + plan.WarmUp + s_grace, cancellationToken);
        CpuTimes used = CpuTimes.Now() - before;
        string json = child.Lines.LastOrDefault(line => line.StartsWith('{'))
            ?? throw new BenchException($"{shellCommand} printed no figures, but: "
                + $"{string.Join(Environment.NewLine, child.Lines)}");
        Measurement measured = Parse(json);
        return measured with
        {
            LoadShare = child.Cpu is { } cpu && used.Busy > TimeSpan.Zero ? cpu / used.Busy : null,
            BusyShare = used.Passed > TimeSpan.Zero ? used.Busy / used.Passed : null,
            CpuMicroseconds = CpuTimes.Each(used.Busy, LoadRunner.OperationsOf(plan, measured.PerSecond)),
        };
    }

    /// <summary>The shell's command for a plan.</summary>
    internal static string Line(LoadKind kind, LoadPlan plan, bool writesKeys)
    {
        string line = string.Create(CultureInfo.InvariantCulture,
            $"bench {(kind == LoadKind.Put ? "put" : "get")} --clients {plan.Clients} --seconds "
            + $"{plan.Duration.TotalSeconds} --warmup {plan.WarmUp.TotalSeconds} --value-bytes {plan.ValueBytes} "
            + $"--keys {plan.Keys} --seed {plan.Seed} --json");
        if (kind == LoadKind.LeaseGet) line += " --consistency lease";
        return kind == LoadKind.Put || writesKeys ? line : line + " --no-load";
    }

    /// <summary>Reads the line that the shell's <c>bench --json</c> prints.</summary>
    internal static Measurement Parse(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            long errors = root.GetProperty("errors").GetInt64();
            return new Measurement(root.GetProperty("ops_per_s").GetDouble(), root.GetProperty("p50_ms").GetDouble(),
                root.GetProperty("p99_ms").GetDouble(), root.GetProperty("p999_ms").GetDouble(), errors,
                errors == 0 ? null : "see the shell's own report, without --json", LoadShare: null, BusyShare: null,
                CpuMicroseconds: null);
        }
        catch (Exception exception)
            when (exception is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new BenchException($"These are no figures of the shell's bench command: {json}");
        }
    }
}
