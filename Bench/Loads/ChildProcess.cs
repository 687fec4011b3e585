using System.ComponentModel;
using System.Diagnostics;

namespace Orleans.Raft.Bench;

/// <summary>What a program that ran to its end left.</summary>
/// <param name="FirstLineAfter">From its start to its first line of output; null if it printed none.</param>
/// <param name="Cpu">Processor time it used, as seen shortly before its end; null where it cannot be told.</param>
internal sealed record ChildResult(IReadOnlyList<string> Lines, TimeSpan? FirstLineAfter, TimeSpan? Cpu);

/// <summary>Runs another program to its end.</summary>
internal static class ChildProcess
{
    private const int ErrorLines = 10;
    private static readonly TimeSpan s_samplePeriod = TimeSpan.FromMilliseconds(100);

    /// <summary>This program itself, in a new process.</summary>
    public static ProcessStartInfo Self(params string[] arguments)
    {
        string program = Environment.ProcessPath
            ?? throw new InvalidOperationException("The path of this program is not known.");
        var info = new ProcessStartInfo(program);
        // Started as `dotnet Orleans.Raft.Bench.dll`, the process is dotnet.
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            info.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        foreach (string argument in arguments) info.ArgumentList.Add(argument);
        return info;
    }

    /// <summary>A command line as a shell reads it. The process becomes the command's own, so that its processor time
    /// can be read.</summary>
    public static ProcessStartInfo Shell(string commandLine)
    {
        var info = new ProcessStartInfo("/bin/sh");
        info.ArgumentList.Add("-c");
        info.ArgumentList.Add($"exec {commandLine}");
        return info;
    }

    /// <summary>Runs a program, with this on its standard input, and kills it if it takes too long.</summary>
    /// <exception cref="BenchException">It cannot be started, fails, or takes too long; the message ends with its last
    /// error lines.</exception>
    public static async Task<ChildResult> RunAsync(
        ProcessStartInfo info, string input, TimeSpan timeout, CancellationToken cancellationToken)
    {
        info.RedirectStandardInput = info.RedirectStandardOutput = info.RedirectStandardError = true;
        string name = string.Join(' ', info.ArgumentList.Prepend(info.FileName));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        long began = Stopwatch.GetTimestamp();
        using Process process = Start(info, name);
        try
        {
            return await FollowAsync(process, name, input, began, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BenchException($"{name} took more than {timeout.TotalSeconds:0} s and was killed.");
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(ProcessStartInfo info, string name)
    {
        try
        {
            return Process.Start(info)!;
        }
        catch (Win32Exception exception)
        {
            throw new BenchException($"{name} cannot be started: {exception.Message}");
        }
    }

    private static async Task<ChildResult> FollowAsync(
        Process process, string name, string input, long began, CancellationToken cancellationToken)
    {
        var lines = new List<string>();
        TimeSpan? firstLineAfter = null;
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        Task output = ReadLinesAsync();
        await WriteInputAsync(process, input, cancellationToken);
        TimeSpan? cpu = null;
        Task ended = Task.WhenAll(output, errors, process.WaitForExitAsync(cancellationToken));
        while (!ended.IsCompleted)
        {
            if (OperatingSystem.IsLinux() && CpuTimes.OfProcess(process.Id) is { } used
                && used > (cpu ?? TimeSpan.Zero)) cpu = used;
            await Task.WhenAny(ended, Task.Delay(s_samplePeriod, cancellationToken));
        }
        await ended;
        if (process.ExitCode == 0) return new ChildResult(lines, firstLineAfter, cpu);
        string[] said =
            [.. (await errors).Split('\n', StringSplitOptions.RemoveEmptyEntries).Concat(lines).TakeLast(ErrorLines)];
        throw new BenchException($"{name} ended with exit code {process.ExitCode}: "
            + $"{string.Join(Environment.NewLine, said)}");

        async Task ReadLinesAsync()
        {
            while (await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
            {
                firstLineAfter ??= Stopwatch.GetElapsedTime(began);
                lines.Add(line);
            }
        }
    }

    private static async Task WriteInputAsync(Process process, string input, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it read its input; its exit code says why.
        }
    }
}
