using Orleans.Raft.Core;

namespace Orleans.Raft.Storage;

/// <summary>
/// Removal of old segments. What is still live in the oldest one is carried to the head, in pieces beside the requests;
/// the batch that no longer needs a segment says so, and only when it is durable the file goes. Carried entries
/// truncate nothing, so each piece is whole by itself.
/// </summary>
/// <remarks>
/// Invariant: at rest, the log's files are below 2 x live bytes + 4 segments, as long as a request is small against a
/// segment. Carrying starts at 1.5 x live + 2.5 segments and carries twice what it accepts meanwhile, so that even if
/// all live bytes are in the oldest segments, less than half of them is written on top before it ends. It starts only
/// if there is real garbage to gain, not only room that large requests left at the ends of segments; so it always ends.
/// </remarks>
internal sealed partial class WriteAheadLog
{
    private const int CarryBytes = 1 << 20;
    private const int CarriedPerAccepted = 2;

    /// <summary>Segments that are kept only to save work must not take the log beyond its bound.</summary>
    private bool HasRoomForSpare(long moreBytes) => FileBytes + moreBytes < (2 * _liveBytes) + (4L * _options.SegmentBytes);

    private bool WantsRemoval => _segments.Count > 1 && (_segments[0].Pins == 0 || WantsCarrying);

    private bool WantsCarrying
    {
        get
        {
            if (_segments.Count <= 1) return false;
            long usedBytes = 0;
            foreach (LogSegment segment in _segments) usedBytes += segment.EndBytes;
            return FileBytes - _supply.SpareBytes > (_liveBytes * 3 / 2) + (_options.SegmentBytes * 5L / 2)
                && usedBytes > (_liveBytes * 5 / 4) + _options.SegmentBytes;
        }
    }

    /// <summary>Size of the log's files, of those ahead of it and of the spare ones.</summary>
    private long FileBytes
    {
        get
        {
            long bytes = _supply.AheadBytes;
            foreach (LogSegment segment in _segments) bytes += segment.LengthBytes;
            return bytes;
        }
    }

    private void CarryOldest()
    {
        if (!WantsCarrying || _faults.Has(FaultPoint.IdleGroupDropped)) return;
        LogSegment oldest = _segments[0];
        if (oldest.Pins == 0) return;
        int before = _batch.LengthBytes;
        long limit = Math.Min(Head.RoomBytes - 8, before + Math.Max(CarryBytes, CarriedPerAccepted * (long)before));
        bool isFresh = _batch.IsEmpty && Head.EndBytes == LogFormat.SegmentHeaderBytes;
        if (_formationSegment == oldest
            && (isFresh || before + LogFormat.FormationHeaderBytes + _formation!.Value.Length <= limit))
        {
            _batch.WriteFormation(_formation!.Value.Span);
            TakeFormation(_formation.Value, Head);
        }
        foreach (GroupLog group in _groups.Values)
        {
            if (oldest.Pins == 0) break;
            long live = group.LiveBytes;
            group.Carry(oldest, Head, _batch, limit, atLeastOne: isFresh && _batch.IsEmpty);
            _liveBytes += group.LiveBytes - live;
        }
    }

    /// <summary>Takes segments without live records off the front; the batch being composed says that they are not
    /// needed.</summary>
    private bool ReleaseUnpinned()
    {
        // Without room for that batch nothing is released: it waits for the next segment.
        if (Head.RoomBytes < LogFormat.BatchHeaderBytes && _batch.IsEmpty) return false;
        int count = 0;
        bool dropsOldest = _faults.Has(FaultPoint.IdleGroupDropped) && WantsCarrying;
        while (count < _segments.Count - 1 && (_segments[count].Pins == 0 || (dropsOldest && count == 0)))
            _released.Add(_segments[count++]);
        _segments.RemoveRange(0, count);
        return count > 0;
    }
}
