using Orleans.Raft.Grains;

namespace Orleans.Raft.Orleans.Tests;

/// <summary>Which frames to another silo wait for a reply.</summary>
public sealed class FrameWindowTests
{
    private readonly FrameWindow _window = new();

    [Fact]
    public void One_of_so_many_frames_waits()
    {
        for (int round = 0; round < 3; round++)
        {
            for (int i = 1; i < FrameWindow.MaxFrames; i++) Assert.True(_window.TryPass(100));
            Assert.False(_window.TryPass(100));
            _window.NoteReply(came: true);
        }
    }

    [Fact]
    public void A_frame_that_takes_the_bytes_on_their_way_beyond_the_bound_waits()
    {
        Assert.False(_window.TryPass(FrameWindow.MaxBytes + 1));
        _window.NoteReply(came: true);
        Assert.True(_window.TryPass(FrameWindow.MaxBytes - 1));
        Assert.True(_window.TryPass(1));
        Assert.False(_window.TryPass(1));
    }

    [Fact]
    public void While_one_waits_the_others_do_too()
    {
        for (int i = 1; i < FrameWindow.MaxFrames; i++) Assert.True(_window.TryPass(1));
        for (int i = 0; i < 3; i++) Assert.False(_window.TryPass(1));
    }

    [Fact]
    public void After_a_loss_each_frame_waits_until_there_is_a_reply_again()
    {
        Assert.True(_window.TryPass(1));
        _window.NoteReply(came: false);
        for (int i = 0; i < 3; i++)
        {
            Assert.False(_window.TryPass(1));
            _window.NoteReply(came: false);
        }
        Assert.False(_window.TryPass(1));
        _window.NoteReply(came: true);
        Assert.True(_window.TryPass(1));
    }
}
