using Orleans.Raft.Core;
using Orleans.Raft.Storage;

namespace Orleans.Raft.Testing;

/// <summary>Where a batch of a write-ahead log lies.</summary>
internal readonly record struct LogBatch(string Path, int Offset, int LengthBytes)
{
    /// <summary>The batches that a restart would replay, oldest first.</summary>
    public static List<LogBatch> FindLive(IEnumerable<KeyValuePair<string, SimulatedContent>> files)
    {
        var all = new SortedDictionary<ulong, (LogBatch Batch, BatchHeader Header)>();
        foreach ((string path, SimulatedContent content) in files)
        {
            if (SimulatedDirectory.ParentOf(path) != DataDirectory.LogDirectory
                || !SegmentSupply.TryParseName(System.IO.Path.GetFileName(path), out ulong segment)) continue;
            byte[] bytes = content.ReadDurable();
            if (bytes.Length < LogFormat.SegmentHeaderBytes) continue;
            uint seed = LogFormat.Seed(new StoreId(new Guid(bytes.AsSpan(FileHeader.OwnOffset + 8, 16))));
            int offset = LogFormat.SegmentHeaderBytes;
            while (LogFormat.TryReadBatch(bytes, offset, segment, seed, out BatchHeader header, out int bodyBytes,
                default))
            {
                int length = LogFormat.BatchHeaderBytes + bodyBytes;
                all[header.Sequence] = (new LogBatch(path, offset, length), header);
                offset += LogFormat.Align(length);
            }
        }
        if (all.Count == 0) return [];
        ulong firstSegment = all.Last().Value.Header.FirstSegment;
        return [.. all.Values.Where(found => found.Header.SegmentId >= firstSegment).Select(found => found.Batch)];
    }
}
