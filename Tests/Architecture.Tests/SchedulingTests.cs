using System.Text.RegularExpressions;

namespace Orleans.Raft.Architecture.Tests;

/// <summary>One owner of time and order: what the compiler is told to refuse, and what it cannot be told.</summary>
public sealed partial class SchedulingTests
{
    [Theory]
    [InlineData("Grains")]
    [InlineData("Client")]
    [InlineData("KeyValue")]
    [InlineData("Storage")]
    [InlineData("Storage.PostgreSql")]
    public void No_continuation_leaves_the_context_it_was_awaited_in(string project)
    {
        foreach (string file in Repository.Sources(project))
        {
            foreach (Match call in ConfigureAwait().Matches(File.ReadAllText(file)))
            {
                Assert.True(call.Value.Contains("ContinueOnCapturedContext", StringComparison.Ordinal),
                    $"{file}: {call.Value}");
            }
        }
    }

    [Theory]
    [InlineData("Raft", "System.TimeProvider", "System.Diagnostics.Stopwatch", "System.Threading.Tasks.Task",
        "System.Threading.Thread", "System.IO.File", "System.Random.Shared", "System.Guid.NewGuid")]
    [InlineData("Storage", "ConfigureAwait", "Task.Run", "System.Threading.Timer", "System.Threading.Thread",
        "System.DateTime", "System.Guid.NewGuid", "System.Collections.Concurrent.ConcurrentDictionary")]
    [InlineData("Storage.PostgreSql", "ConfigureAwait", "Task.Run", "System.Threading.Timer", "System.Threading.Thread",
        "System.DateTime", "System.Guid.NewGuid", "System.Collections.Concurrent.ConcurrentDictionary")]
    [InlineData("KeyValue", "ConfigureAwait", "Task.Run", "System.Threading.Timer", "System.Threading.Thread",
        "System.DateTime", "System.Guid.NewGuid", "System.Collections.Concurrent.ConcurrentDictionary")]
    public void Clocks_threads_and_chance_of_their_own_are_banned(string project, params string[] symbols)
    {
        string projectFile = File.ReadAllText(Repository.PathOf($"{project}/{project}.csproj"));
        Assert.Contains("BannedSymbols.txt", projectFile, StringComparison.Ordinal);
        Assert.Contains("BannedApiAnalyzers", projectFile, StringComparison.Ordinal);
        string banned = File.ReadAllText(Repository.PathOf($"{project}/BannedSymbols.txt"));
        Assert.All(symbols, symbol => Assert.Contains(symbol, banned, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"ConfigureAwait\([^)]*\)")]
    private static partial Regex ConfigureAwait();
}
