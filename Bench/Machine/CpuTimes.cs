using System.Globalization;

namespace Orleans.Raft.Bench;

/// <summary>Processor time used so far, by the whole machine and by this process.</summary>
/// <param name="Busy">All processors together, without waiting for the disk and what a hypervisor took; zero where
/// unknown.</param>
/// <param name="Passed">Time that passed, times the number of processors; zero where unknown.</param>
/// <param name="Own">This process.</param>
internal readonly record struct CpuTimes(TimeSpan Busy, TimeSpan Passed, TimeSpan Own)
{
    private const int TicksPerSecond = 100; // USER_HZ, in which Linux shows /proc.
    private const int IdleField = 3;
    private const int WaitField = 4;
    private const int StealField = 7;
    private const int FieldCount = 8; // Time of guests, which follows, is part of user time already.

    public static CpuTimes Now()
    {
        TimeSpan own = Environment.CpuUsage.TotalTime;
        if (!OperatingSystem.IsLinux()) return new CpuTimes(default, default, own);
        using StreamReader reader = File.OpenText("/proc/stat");
        string[] words = reader.ReadLine()!.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var fields = words.Skip(1).Take(FieldCount).Select(word => long.Parse(word, CultureInfo.InvariantCulture))
            .ToArray();
        long all = fields.Sum();
        return new CpuTimes(Time(all - fields[IdleField] - fields[WaitField] - fields[StealField]), Time(all), own);
    }

    public static CpuTimes operator -(CpuTimes later, CpuTimes earlier) => later.Subtract(earlier);

    /// <summary>Microseconds for each operation; null if there was none, or the time is unknown.</summary>
    public static double? Each(TimeSpan time, double operations) =>
        time > TimeSpan.Zero && operations > 0 ? time.TotalMicroseconds / operations : null;

    public CpuTimes Subtract(CpuTimes earlier) => new(Busy - earlier.Busy, Passed - earlier.Passed, Own - earlier.Own);

    /// <summary>What a process has used so far; null if it has ended. Linux only.</summary>
    public static TimeSpan? OfProcess(int processId)
    {
        const int UserField = 11; // Counted after the name, which may hold spaces and ends with the last parenthesis.
        try
        {
            string stat = File.ReadAllText($"/proc/{processId}/stat");
            string[] words = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return Time(long.Parse(words[UserField], CultureInfo.InvariantCulture)
                + long.Parse(words[UserField + 1], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static TimeSpan Time(long ticks) => TimeSpan.FromSeconds((double)ticks / TicksPerSecond);
}
