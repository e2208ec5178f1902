using System.Management.Automation;
using BillingMigration.Snapshot;

namespace BillingMigration.PowerShell.Tests;

public sealed class ExportProgressTests
{
    private readonly List<ProgressRecord> shown = [];
    private readonly List<string> warnings = [];

    [Fact]
    public void The_whole_and_each_entity_under_way_have_a_bar()
    {
        Display().Show(Moment(new("BILL", 500, 1000, 1, 2), new("CHARGE", 0, 9000, 0, 4)));
        Assert.Equal(["Export x", "BILL"], shown.Select(r => r.Activity));
        Assert.Equal("500 of ~10,000, 250/s, 2.0 KB/s", shown[0].StatusDescription);
        Assert.Equal(5, shown[0].PercentComplete);
        Assert.Equal(38, shown[0].SecondsRemaining);
        Assert.Equal(shown[0].ActivityId, shown[1].ParentActivityId);
        Assert.Equal(50, shown[1].PercentComplete);
    }

    [Fact]
    public void An_entity_completes_once()
    {
        var display = Display();
        display.Show(Moment(new EntityProgress("BILL", 1000, 1000, 2, 2)));
        display.Show(Moment(new EntityProgress("BILL", 1000, 1000, 2, 2)));
        Assert.Single(shown, r => r.Activity == "BILL" && r.RecordType == ProgressRecordType.Completed);
    }

    [Fact]
    public void More_rows_than_the_estimate_stay_at_100_percent()
    {
        Display().Show(Moment(new EntityProgress("BILL", 3000, 1000, 1, 2)));
        Assert.All(shown, r => Assert.Equal(100, r.PercentComplete));
    }

    [Fact]
    public void What_the_export_waits_for_is_warned_of_once()
    {
        var display = Display();
        display.Show(Moment() with { Waiting = "network" });
        display.Show(Moment());
        display.Show(Moment() with { Waiting = "network" });
        Assert.Equal(["The export waits: network"], warnings);
    }

    [Fact]
    public void The_end_completes_the_whole_with_its_numbers()
    {
        Display().Finish(Samples.Snapshot());
        Assert.Equal(ProgressRecordType.Completed, shown[^1].RecordType);
        Assert.Equal("25,925,907 items in 47m 09s, 9,164/s, Complete", shown[^1].StatusDescription);
    }

    private static SnapshotProgress Moment(params EntityProgress[] entities) => new()
    {
        Entities = [.. entities],
        ItemsPerSecond = 250,
        BytesPerSecond = 2048,
        ThrottledRequests = 0,
        Elapsed = TimeSpan.FromSeconds(2),
    };

    private ExportProgress Display() => new("Export x", shown.Add, warnings.Add);
}
