using System.Xml.Linq;
using static Orleans.Raft.Linearizability.Tests.HistoryScript;

namespace Orleans.Raft.Linearizability.Tests;

public class ViolationPictureTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void A_picture_shows_the_order_the_misfit_and_what_is_unknown()
    {
        var script = new HistoryScript();
        script.Do(Put("<1>&\u0001")).Lose(Append("\"2\"")).Do(Put("3")).Read("<1>&\u0001");
        var entries = script.History.Entries();
        LinearizabilityResult result = LinearizabilityChecker.Check(entries);
        XDocument page = XDocument.Parse(ViolationPicture.Draw(entries, result));

        XElement misfit = Assert.Single(Bars(page, "misfit"));
        Assert.Contains("get x = \"<1>&\\u0001\"", misfit.Value, StringComparison.Ordinal);
        Assert.Equal(["1. put", "2. put"], Bars(page, "ordered").Select(bar => bar.Value.Trim()[..6]));
        Assert.Contains("unknown", Assert.Single(Bars(page, "open unknown")).Value, StringComparison.Ordinal);
        Assert.Equal(4, page.Descendants(Svg + "text")
            .Count(text => text.Value.StartsWith("client", StringComparison.Ordinal)));
        Assert.Contains("fits nowhere", page.Root!.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_of_a_long_history_stays_readable()
    {
        var script = new HistoryScript();
        for (int i = 0; i < 500; i++) script.Do(Put($"{i}")).Read($"{i}");
        script.Read("17");
        var entries = script.History.Entries();
        XDocument page = XDocument.Parse(ViolationPicture.Draw(entries, LinearizabilityChecker.Check(entries)));
        Assert.InRange(page.Descendants(Svg + "rect").Count(), 10, 80);
        Assert.Single(Bars(page, "misfit"));
    }

    [Fact]
    public void A_picture_is_written_into_a_file_of_its_name()
    {
        var script = new HistoryScript().Read("1");
        var entries = script.History.Entries();
        string path = ViolationPicture.Write(entries, LinearizabilityChecker.Check(entries), "picture-test");
        Assert.EndsWith("violation-picture-test.html", path, StringComparison.Ordinal);
        Assert.Single(Bars(XDocument.Parse(File.ReadAllText(path)), "misfit"));
        File.Delete(path);
    }

    [Fact]
    public void There_is_no_picture_of_a_good_history() =>
        Assert.Throws<ArgumentException>(() => ViolationPicture.Draw([], LinearizabilityChecker.Check([])));

    private static XElement[] Bars(XDocument page, string kind) => [.. page.Descendants(Svg + "rect")
        .Where(bar => bar.Attribute("class")!.Value == kind).Select(bar => bar.Parent!)];
}
