namespace Orleans.Raft.Shell;

/// <summary>The progress and the last line of import and export.</summary>
internal static class TransferReport
{
    public static async Task RunAsync(
        ShellContext context, string title, string done, Func<IProgressSink, Task<long>> transfer)
    {
        long began = context.Options.TimeProvider.GetTimestamp();
        long rows = 0;
        try
        {
            await context.Output.WithProgressAsync(title, async progress => rows = await transfer(progress));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ShellException("FileFailed",
                $"after {title} began: {exception.Message}; see to the file and try again");
        }
        double seconds = context.Options.TimeProvider.GetElapsedTime(began).TotalSeconds;
        double rate = seconds > 0 ? rows / seconds : 0;
        context.Output.Line($"{done} {rows} rows in {seconds:0.00} s ({rate:0} rows/s)");
    }
}
