using System.Text;
using System.Text.Json;

namespace Orleans.Raft.Shell;

/// <summary>What the bench command prints.</summary>
internal static class BenchReport
{
    public static IEnumerable<string> Lines(BenchPlan plan, LoadResult result, GroupFinder groups, bool json) =>
        json ? [Json(result, groups)] : Text(plan, result, groups);

    private static IEnumerable<string> Text(BenchPlan plan, LoadResult result, GroupFinder groups)
    {
        yield return $"{plan.Kind} {result.OperationsPerSecond:0} ops/s ({result.Operations} operations in " +
            $"{result.Measured.TotalSeconds:0.##} s, {plan.Clients} clients, {plan.ValueBytes}-byte values, " +
            $"{plan.Keys} keys)";
        yield return $"latency p50 {Milliseconds(result, 0.5):0.###} ms, p99 {Milliseconds(result, 0.99):0.###} ms, " +
            $"p99.9 {Milliseconds(result, 0.999):0.###} ms";
        yield return result.FirstError is { } error
            ? $"errors {result.Errors}, one of them {ErrorText.Describe(error).Code}: {error.Message}"
            : "errors 0";
        foreach ((string name, long operations) in PerGroup(result, groups))
        {
            yield return $"group {name} {operations} operations";
        }
    }

    private static string Json(LoadResult result, GroupFinder groups)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteNumber("ops_per_s", Math.Round(result.OperationsPerSecond, 1));
            writer.WriteNumber("p50_ms", Milliseconds(result, 0.5));
            writer.WriteNumber("p99_ms", Milliseconds(result, 0.99));
            writer.WriteNumber("p999_ms", Milliseconds(result, 0.999));
            writer.WriteNumber("errors", result.Errors);
            writer.WriteNumber("seconds", result.Measured.TotalSeconds);
            writer.WriteNumber("operations", result.Operations);
            writer.WriteStartObject("groups");
            foreach ((string name, long operations) in PerGroup(result, groups)) writer.WriteNumber(name, operations);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static double Milliseconds(LoadResult result, double share) =>
        Math.Round(result.Latency.QuantileMilliseconds(share), 4);

    private static IEnumerable<(string Name, long Operations)> PerGroup(LoadResult result, GroupFinder groups)
    {
        for (int index = 0; index < groups.Count; index++)
        {
            bool isKnownGroup = index < groups.Count - 1;
            long operations = result.OperationsPerClass[index];
            if (isKnownGroup || operations > 0) yield return (groups.Name(index), operations);
        }
    }
}
