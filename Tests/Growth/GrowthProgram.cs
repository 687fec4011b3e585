using Orleans.Raft.CommandLine;

namespace Orleans.Raft.Growth;

/// <summary>The program, on a host.</summary>
public static class GrowthProgram
{
    /// <param name="makeHost">From a directory, and what was asked for.</param>
    /// <returns>The exit code: 0 if all is well.</returns>
    public static Task<int> RunAsync(string[] args, Func<string, GrowthPlan, IGrowthHost> makeHost)
    {
        var arguments = new GrowthArguments();
        arguments.Root.SetAction((parsed, cancellation) =>
            RunAsync(arguments.Read(parsed), makeHost, cancellation));
        return StrictCommandLine.RunAsync(arguments.Root, args);
    }

    private static async Task<int> RunAsync(
        GrowthPlan plan, Func<string, GrowthPlan, IGrowthHost> makeHost, CancellationToken cancellation)
    {
        string directory = Directory.CreateTempSubdirectory("growth-").FullName;
        bool isWell = false;
        try
        {
            await using IGrowthHost host = makeHost(directory, plan);
            isWell = await new GrowthRun(host, plan, directory, Console.WriteLine).RunAsync(cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            Console.WriteLine("interrupted: everything that was started has been ended; no verdict");
        }
        finally
        {
            if (isWell) Directory.Delete(directory, recursive: true);
            else Console.WriteLine($"data and logs are kept in {directory}");
        }
        return isWell ? 0 : 1;
    }
}
