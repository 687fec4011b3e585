using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;

namespace Orleans.Raft.Hosts;

/// <summary>
/// A link between two namespaces that passes frames on by itself, and those of the one end later: two TAP devices, and
/// threads that read the one and write the other. The devices go with this process.
/// </summary>
internal sealed class DelayedLink : IDisposable
{
    private const int MaxFrameBytes = 65_536 + 64;

    /// <summary>Frames on their way; more are lost, as on a link whose buffer is full.</summary>
    private const int MaxFrames = 10_000;

    private readonly SafeFileHandle _slow;
    private readonly SafeFileHandle _quick;
    private readonly TimeSpan _delay;
    private readonly BlockingCollection<(long SentAt, byte[] Frame)> _underWay = new(MaxFrames);

    private DelayedLink(SafeFileHandle slow, SafeFileHandle quick, TimeSpan delay)
    {
        _slow = slow;
        _quick = quick;
        _delay = delay;
    }

    /// <param name="from">The namespace whose frames come late.</param>
    /// <exception cref="NetworkException">A device cannot be made.</exception>
    public static DelayedLink Open(string from, string fromDevice, string to, string toDevice, TimeSpan delay)
    {
        var link = new DelayedLink(TapDevice.Open(from, fromDevice), TapDevice.Open(to, toDevice), delay);
        Start("delay", () => Read(link._slow, frame => link._underWay.TryAdd((Stopwatch.GetTimestamp(), frame))));
        Start("deliver", link.Deliver);
        Start("pass on", () => Read(link._quick, frame => TapDevice.Write(link._slow, frame)));
        return link;
    }

    /// <summary>To be called when the devices' namespaces are gone: that ends what reads them.</summary>
    public void Dispose()
    {
        _underWay.CompleteAdding();
        _slow.Dispose();
        _quick.Dispose();
    }

    private static void Start(string name, Action work) => new Thread(() =>
    {
        try
        {
            work();
        }
        catch (Exception end) when (end is ObjectDisposedException or InvalidOperationException)
        {
            // The devices are gone, and so is the link.
        }
    })
    { IsBackground = true, Name = name }.Start();

    private void Deliver()
    {
        foreach ((long sentAt, byte[] frame) in _underWay.GetConsumingEnumerable())
        {
            TimeSpan left = _delay - Stopwatch.GetElapsedTime(sentAt);
            if (left > TimeSpan.Zero) Thread.Sleep(left);
            TapDevice.Write(_quick, frame);
        }
    }

    private static void Read(SafeFileHandle device, Action<byte[]> take)
    {
        byte[] buffer = new byte[MaxFrameBytes];
        for (int length; (length = TapDevice.Read(device, buffer)) > 0;) take(buffer[..length]);
    }
}
