using System.Globalization;
using BillingMigration.Control;
using BillingMigration.Testing;
using MySqlConnector;

namespace BillingMigration.Torture;

/// <summary>Is the table the source, and does the control table say so?</summary>
public static class ExportCheck
{
    /// <summary>Every item that is missing, too many or different, and everything in the control table that is not as it must be after a complete export.</summary>
    public static async Task<IReadOnlyList<string>> FindDifferencesAsync(SampleMigration migration, string connectionString)
    {
        var comparison = await SampleComparison.CompareAsync(connectionString, migration.Client, migration.Table);
        var differences = new List<string>(comparison.Differences);
        if (comparison.Items != comparison.Rows)
        {
            differences.Add($"{comparison.Rows} rows, but {comparison.Items} items");
        }

        await using var session = await migration.ConnectAsync();
        var run = await session.Control.FindSnapshotAsync(CancellationToken.None);
        if (run is not { State: SnapshotState.Complete, End: not null, CompletedAt: not null })
        {
            differences.Add($"the control table says {run?.State.ToString() ?? "nothing"} instead of Complete");
            return differences;
        }

        var ranges = await session.Control.ListRangesAsync(run.RunId, null, CancellationToken.None);
        foreach (var entity in migration.Definition.Entities)
        {
            var rows = await CountAsync(connectionString, entity.Table);
            var mine = ranges.Where(r => r.Entity == entity.Entity).ToList();
            var (counted, items, setAside) = (mine.Sum(r => r.Rows), mine.Sum(r => r.Items), mine.Sum(r => r.SetAside));
            if (counted != rows || items != rows || setAside != 0 || mine.Exists(r => !r.Done))
            {
                differences.Add($"{entity.Table} has {rows} rows; its checkpoints count {counted} rows, {items} items, {setAside} set aside, {mine.Count(r => !r.Done)} ranges not done");
            }
        }

        return differences;
    }

    private static async Task<long> CountAsync(string connectionString, string table)
    {
        await using var connection = new MySqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new MySqlCommand($"SELECT COUNT(*) FROM `{table}`", connection);
        return Convert.ToInt64(await command.ExecuteScalarAsync(), CultureInfo.InvariantCulture);
    }
}
