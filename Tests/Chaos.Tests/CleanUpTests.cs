using System.Diagnostics;
using System.Globalization;
using Orleans.Raft.Processes;

namespace Orleans.Raft.Chaos.Tests;

/// <summary>Nothing that a run started outlives it, however it ends.</summary>
public sealed class CleanUpTests : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string _directory = Directory.CreateTempSubdirectory("clean-up-").FullName;
    private Process? _run;

    public void Dispose()
    {
        _run?.Kill(entireProcessTree: true);
        _run?.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task An_interrupted_run_ends_its_processes_and_says_so(string signal)
    {
        if (!OperatingSystem.IsLinux()) return;
        Process run = StartRun("kill");
        await ReadUntilAsync(run, "started");
        // Who was started in a shell's background inherits that INT is ignored, and so does the run.
        if (signal == "INT" && IsInterruptIgnored()) signal = "TERM";
        using (Process kill = Process.Start("kill", [$"-{signal}", $"{run.Id}"])) await kill.WaitForExitAsync();
        await ReadUntilAsync(run, "interrupted");
        await run.WaitForExitAsync().WaitAsync(Deadline);
        Assert.Equal(130, run.ExitCode);
        Assert.Empty(ProcessesOfTheRun());
    }

    /// <summary>The child that is being started belongs to nobody yet.</summary>
    [Fact]
    public async Task A_run_that_is_interrupted_while_it_starts_the_store_again_leaves_nothing_behind()
    {
        if (!OperatingSystem.IsLinux()) return;
        Process run = StartRun("kill", temporary: true);
        await ReadUntilAsync(run, "started");
        HashSet<int> before = [.. ProcessesOfTheRun().Select(process => process.Id)];
        await ReadUntilAsync(run, "kill: the whole process");
        WaitUntil("the store is being started", () => ProcessesOfTheRun().Any(process => !before.Contains(process.Id)));
        using (Process kill = Process.Start("kill", ["-TERM", $"{run.Id}"])) await kill.WaitForExitAsync();
        await ReadUntilAsync(run, "interrupted");
        await run.WaitForExitAsync().WaitAsync(Deadline);
        Assert.Equal(130, run.ExitCode);
        Assert.Empty(ProcessesOfTheRun());
        Assert.Empty(Directory.EnumerateDirectories(_directory, "chaos-*"));
    }

    [Fact]
    public async Task A_killed_run_takes_a_stopped_process_with_it()
    {
        if (!OperatingSystem.IsLinux()) return;
        Process run = StartRun("stop");
        await ReadUntilAsync(run, "stop: the whole process");
        run.Kill();
        await run.WaitForExitAsync().WaitAsync(Deadline);
        var watch = Stopwatch.StartNew();
        while (ProcessesOfTheRun() is { Count: > 0 } left)
        {
            Assert.True(watch.Elapsed < Deadline, $"still there: {string.Join("; ", left)}");
            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }
    }

    [Fact]
    public void A_full_small_disk_has_room_again_when_it_is_freed()
    {
        string mounted = Directory.CreateDirectory(Path.Combine(_directory, "small")).FullName;
        using SmallDisk? disk = SmallDisk.TryMount(mounted, 4 << 20, out string? reason);
        if (disk is null)
        {
            Assert.NotEmpty(reason!);
            return;
        }
        Assert.Equal(0, WriteInside(disk, mounted));
        disk.Fill();
        Assert.NotEqual(0, WriteInside(disk, mounted));
        disk.Free();
        Assert.Equal(0, WriteInside(disk, mounted));
        Assert.Empty(Directory.EnumerateFileSystemEntries(mounted));
    }

    [Fact]
    public async Task A_fault_that_is_not_possible_here_is_refused_if_it_was_asked_for()
    {
        var command = new ChaosCommand("fake", TimeSpan.Zero, Seed: 1, Clients: 8, Rate: 400, Faults: ["full"], _directory)
        {
            Open = (_, _) => new FakeHost { Impossible = new Dictionary<string, string> { ["full"] = "no namespaces" } },
        };
        ArgumentException refused = await Assert.ThrowsAsync<ArgumentException>(() =>
            command.RunAsync(_ => { }, CancellationToken.None));
        Assert.Contains("full is not possible here: no namespaces", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>It is memory while it is full.</summary>
    [Theory]
    [InlineData(25, 800, 33)]
    [InlineData(3600, 400, 76)]
    [InlineData(30 * 86_400, 1_000_000, 513)]
    public void The_small_disk_is_no_larger_than_its_run_needs(int seconds, double rate, int mebibytes) =>
        Assert.Equal(mebibytes, (SmallDiskFault.DiskBytes(TimeSpan.FromSeconds(seconds), rate) >> 20) + 1);

    [Fact]
    public void A_stopped_process_goes_on_when_it_is_continued()
    {
        if (!OperatingSystem.IsLinux()) return;
        using Process cat = Process.Start(new ProcessStartInfo("cat")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        cat.StandardInput.AutoFlush = true;
        using (PausedProcess.Stop(cat.Id)) WaitUntil("cat is stopped", () => StateOf(cat.Id) == 'T');
        cat.StandardInput.WriteLine("still there");
        Assert.Equal("still there", cat.StandardOutput.ReadLine());
        cat.StandardInput.Close();
        cat.WaitForExit();
    }

    [Fact]
    public async Task A_process_that_has_ended_cannot_be_stopped_and_nobody_waits_for_it()
    {
        if (!OperatingSystem.IsLinux()) return;
        using Process ended = Process.Start("true");
        ended.WaitForExit();
        Task stopping = Task.Run(() => PausedProcess.Stop(ended.Id).Dispose());
        string said = (await Assert.ThrowsAsync<InvalidOperationException>(() => stopping.WaitAsync(Deadline))).Message;
        Assert.Contains($"Process {ended.Id} cannot be stopped", said, StringComparison.Ordinal);
    }

    /// <param name="temporary">Whether its directory is to be removed at the end.</param>
    private Process StartRun(string faults, bool temporary = false)
    {
        string[] arguments = ["--host", "embedded", "--seconds", "3600", "--faults", faults];
        if (!temporary) arguments = [.. arguments, "--data", Path.Combine(_directory, "run")];
        ProcessStartInfo start = ProgramFiles.Command(ProgramFiles.Find("Chaos"), arguments);
        start.RedirectStandardOutput = true;
        start.Environment["TMPDIR"] = _directory;
        return _run = Process.Start(start)!;
    }

    private static bool IsInterruptIgnored()
    {
        const ulong Interrupt = 1 << (2 - 1);
        string ignored = File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
        return (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & Interrupt) != 0;
    }

    private static async Task ReadUntilAsync(Process run, string text)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        string? line;
        do line = await run.StandardOutput.ReadLineAsync(deadline.Token);
        while (line is not null && !line.Contains(text, StringComparison.Ordinal));
        Assert.NotNull(line);
    }

    private static int WriteInside(SmallDisk disk, string mounted)
    {
        const string Script =
            "head -c 1000000 /dev/zero > \"$1/file\" 2>/dev/null; code=$?; rm -f \"$1/file\"; exit $code";
        string[] command = [.. disk.Entrance, "sh", "-c", Script, "sh", mounted];
        using Process write = Process.Start(command[0], command[1..]);
        write.WaitForExit();
        return write.ExitCode;
    }

    /// <summary>All processes whose command lines name the run's directory.</summary>
    private List<(int Id, string Command)> ProcessesOfTheRun()
    {
        var found = new List<(int, string)>();
        foreach (string process in Directory.EnumerateDirectories("/proc"))
        {
            try
            {
                string command = File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ');
                if (command.Contains(_directory, StringComparison.Ordinal))
                    found.Add((int.Parse(Path.GetFileName(process), CultureInfo.InvariantCulture), command));
            }
            catch (IOException)
            {
                // Not a process, or it has ended meanwhile.
            }
        }
        return found;
    }

    private static char StateOf(int process)
    {
        string stat = File.ReadAllText($"/proc/{process}/stat");
        return stat[stat.LastIndexOf(')') + 2];
    }

    private static void WaitUntil(string what, Func<bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!condition()) Assert.True(watch.Elapsed < Deadline, $"not within {Deadline.TotalSeconds} s: {what}");
    }
}
