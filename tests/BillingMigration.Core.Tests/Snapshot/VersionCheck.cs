using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Snapshot;

/// <param name="Violations">Items that are no version, or an older one than could still be read, and rows that are missing.</param>
/// <param name="Items">Items compared.</param>
/// <param name="Unchanged">Rows that were committed before the start and never changed afterwards.</param>
/// <param name="Changed">Items whose row had other versions after the start than before.</param>
internal sealed record VersionFinding(IReadOnlyList<string> Violations, int Items, int Unchanged, int Changed);

/// <summary>Compares what was exported while writers were at work with the versions that the server logged.</summary>
internal static class VersionCheck
{
    // Columns of a charge that a cascade sets to NULL, and the entity whose deletion does it.
    private const int SubscriberColumn = 2;
    private const int BillColumn = 3;

    /// <param name="before">What was committed before the export began: an item must be the last of these versions of its row, or a later one.</param>
    public static async Task<VersionFinding> FindAsync(IReadOnlyList<RowVersion> before, VersionLog log, SampleMigration migration)
    {
        var oldest = before.GroupBy(v => (v.Entity, v.Id)).ToDictionary(g => g.Key, g => g.Max(v => v.Number));
        var versions = (await log.ReadAsync()).ToLookup(v => (v.Entity, v.Id));
        var rows = (await log.ReadRowsAsync()).ToDictionary(v => (v.Entity, v.Id), v => v.Text);
        var items = await ReadItemsAsync(migration);
        var violations = new List<string>();
        var changed = 0;
        foreach (var (key, found) in items)
        {
            var possible = versions[key].Where(v => v.Number >= oldest.GetValueOrDefault(key)).ToList();
            changed += possible.Count > 1 ? 1 : 0;
            if (found.Count != 1)
            {
                violations.Add($"{found.Count} items of {key}");
            }

            violations.AddRange(found.Where(item => !possible.Exists(v => IsVersion(item, v, rows.ContainsKey))).Select(item => $"{key} never was {item}, only {string.Join(" or ", possible.Select(v => Canonical(v)))}"));
        }

        var unchanged = 0;
        foreach (var (key, text) in rows)
        {
            // Changed by a trigger-less cascade, or after the start: the stream would bring it.
            if (oldest.TryGetValue(key, out var last) && versions[key].All(v => v.Number <= last) && versions[key].Last().Text == text)
            {
                unchanged++;
                if (!items.TryGetValue(key, out var found) || !found.Contains(Canonical(versions[key].Last())))
                {
                    violations.Add($"{key}, committed before the start and unchanged since, is not there");
                }
            }
        }

        return new VersionFinding(violations, items.Values.Sum(i => i.Count), unchanged, changed);
    }

    private static bool IsVersion(string item, RowVersion version, Func<(string, string), bool> isThere)
    {
        if (item == Canonical(version))
        {
            return true;
        }

        if (version.Entity != "CHARGE")
        {
            return false;
        }

        // The version after a cascade is not logged: only when the parent is really gone may the reference to it be NULL.
        var logged = Canonical(version).Split(VersionLog.Separator);
        var read = item.Split(VersionLog.Separator);
        return Enumerable.Range(0, logged.Length).All(i => read[i] == logged[i]
            || (read[i] == VersionLog.Null && ((i == SubscriberColumn && !isThere(("SUBSCRIBER", logged[i]))) || (i == BillColumn && !isThere(("BILL", logged[i]))))));
    }

    /// <summary>The version in the forms of attributes: numbers without trailing zeros, times as ISO 8601.</summary>
    private static string Canonical(RowVersion version)
    {
        var columns = VersionLog.Logged.Single(l => l.Entity == version.Entity).Columns;
        return string.Join(VersionLog.Separator, version.Text.Split(VersionLog.Separator).Select((text, i) => text == VersionLog.Null ? text : columns[i] switch
        {
            "balance" or "credit_limit" or "subtotal" or "tax_amount" or "total" or "amount_paid" or "quantity" or "amount" => Number(text),
            "created_at" or "updated_at" => text.Replace(' ', 'T') + "Z",
            "opened_at" or "closed_at" or "paid_at" or "charged_at" => text.Replace(' ', 'T'),
            _ => text,
        }));
    }

    // Of equal decimals the division leaves the one without trailing zeros.
    private static string Number(string text) => (decimal.Parse(text, CultureInfo.InvariantCulture) / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);

    private static async Task<Dictionary<(string Entity, string Id), List<string>>> ReadItemsAsync(SampleMigration migration)
    {
        var items = new Dictionary<(string, string), List<string>>();
        var request = new ScanRequest { TableName = migration.Table, ConsistentRead = true };
        do
        {
            var page = await migration.Client.ScanAsync(request);
            foreach (var item in page.Items)
            {
                if (VersionLog.Logged.FirstOrDefault(l => l.Entity == item["entity"].S) is { Entity: not null } logged)
                {
                    var text = string.Join(VersionLog.Separator, logged.Columns.Select(c => item.TryGetValue(c, out var value) ? value.S ?? Number(value.N) : VersionLog.Null));
                    var key = (logged.Entity, item[logged.Id].N);
                    items.TryAdd(key, []);
                    items[key].Add(text);
                }
            }

            request.ExclusiveStartKey = page.LastEvaluatedKey;
        }
        while (request.ExclusiveStartKey is { Count: > 0 });
        return items;
    }
}
