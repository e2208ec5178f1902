using System.Globalization;
using System.Text.Json.Nodes;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>Index keys: gsi1 for relations, gsi2 for own ids and numbers, gsi3 for due dates and subscribers, gsi4 for months, gsi5 for further numbers, from gsi6 on what changes with a parent.</summary>
internal sealed class IndexDrafter(IReadOnlyDictionary<string, EntityDraft> entities, DraftNotes notes)
{
    private const int Shards = 16;
    private const int FirstOfParents = 6;

    private static readonly string[] EndDates = ["end_date", "ends_at", "ends_on", "valid_to", "valid_until", "expiry_date", "expires_at", "expires_on", "termination_date", "contract_end", "end"];

    private static readonly string[] DueDates = ["due_date", "due_at", "due_on", "payment_due_date", "payment_due", "due"];

    private static readonly string[] OpenStates = ["ISSUED", "OVERDUE", "OPEN", "UNPAID", "SENT", "DUE", "PAST_DUE", "PARTIAL", "PARTIALLY_PAID", "DUNNING"];

    public void Draft()
    {
        foreach (var entity in entities.Values)
        {
            DraftRelations(entity);
            DraftNumber(entity);
            DraftDates(entity);
        }
    }

    /// <summary>Rows that change with a parent's row, unseen by the binlog, must be found by a key: those that no key finds get one.</summary>
    /// <param name="drafted">The same entity, with the keys that it has so far.</param>
    public static void DraftParents(EntityDraft entity, EntityDefinition drafted, DraftNotes notes)
    {
        var number = FirstOfParents;
        foreach (var columns in ChildKeys.Unfound(drafted, entity.Table).GroupBy(w => string.Join('#', w.Columns.Select(entity.Plain)), StringComparer.OrdinalIgnoreCase))
        {
            var way = columns.First();
            var index = string.Create(CultureInfo.InvariantCulture, $"gsi{number++}");
            entity.AddIndex(index, $"{way.Parent.ToUpperInvariant()}#{columns.Key}", $"{entity.Label}#{entity.SortableAll(entity.Table.PrimaryKey)}");
            notes.Certain($"{index} finds the {entity.Profile.Entity} items of a row of '{way.Parent}': they change with it {way.By}, which the binlog need not tell.");
        }
    }

    public static bool IsOfParents(string index) => int.Parse(index.AsSpan("gsi".Length), CultureInfo.InvariantCulture) >= FirstOfParents;

    private void DraftRelations(EntityDraft entity)
    {
        switch (entity.Profile.Entity)
        {
            case EntityProfile.Account when Reference(entity, EntityProfile.Customer) is { } customer:
                entity.AddIndex("gsi1", customer.Key, $"{entity.Label}#{entity.SortableAll(entity.Table.PrimaryKey)}");
                notes.By(customer.By, "gsi1 lists the accounts of a customer.");
                break;
            case EntityProfile.Customer or EntityProfile.Subscriber or EntityProfile.Bill when !entity.OwnPartition:
                entity.AddIndex("gsi1", entity.Identity, entity.Label);
                notes.Certain($"gsi1 finds a {entity.Profile.Entity} by its own id.");
                break;
            case EntityProfile.Agreement:
                AddParent(entity, "gsi1", EntityProfile.Subscriber, $"{entity.Label}#{entity.SortableAll(entity.Table.PrimaryKey)}");
                AddOwnId(entity);
                break;
            case EntityProfile.Charge:
                DraftBillOfCharge(entity);
                AddParent(entity, "gsi3", EntityProfile.Subscriber, ByDate(entity));
                AddOwnId(entity);
                break;
        }
    }

    private void DraftBillOfCharge(EntityDraft charge)
    {
        if (Reference(charge, EntityProfile.Bill) is not { } bill)
        {
            return;
        }

        if (bill.By.Nullable && !charge.OwnPartition)
        {
            charge.AddIndex("gsi1", new JsonArray(bill.Key, $"{charge.PartitionKey}#UNBILLED"), ByDate(charge));
            notes.By(bill.By, "gsi1 lists the charges of a bill; a charge without a bill is listed as unbilled under its account.");
        }
        else
        {
            charge.AddIndex("gsi1", bill.Key, ByDate(charge));
            notes.By(bill.By, "gsi1 lists the charges of a bill.");
        }
    }

    private void AddParent(EntityDraft entity, string index, string parent, string sortKey)
    {
        if (Reference(entity, parent) is { } reference)
        {
            entity.AddIndex(index, reference.Key, sortKey);
            notes.By(reference.By, $"{index} lists the {entity.Profile.Entity} items of a {parent}.");
        }
    }

    private static void AddOwnId(EntityDraft entity)
    {
        if (!entity.OwnPartition)
        {
            entity.AddIndex("gsi2", entity.Identity, entity.Label);
        }
    }

    /// <summary>The parent's identity, told by the child's columns.</summary>
    private (string Key, TableReference By)? Reference(EntityDraft child, string parentEntity)
    {
        if (!entities.TryGetValue(parentEntity, out var parent))
        {
            return null;
        }

        var reference = child.ReferencesTo(parent).FirstOrDefault(r => r.ChildColumns(parent.Table.PrimaryKey) is not null);
        if (reference is null)
        {
            return null;
        }

        notes.Rely(child, reference);
        return ($"{parent.Label}#{string.Join('#', reference.ChildColumns(parent.Table.PrimaryKey)!.Select(child.Plain))}", reference);
    }

    private static string ByDate(EntityDraft entity) =>
        $"{entity.Label}#{(PartitionDrafter.DateColumn(entity) is { } date ? entity.Plain(date) + "#" : string.Empty)}{entity.SortableAll(entity.Table.PrimaryKey)}";

    /// <summary>The number by which people know the entity: a unique key of one short column.</summary>
    private void DraftNumber(EntityDraft entity)
    {
        var candidates = entity.Table.UniqueKeys.Where(k => k.Columns.Length == 1).Select(k => entity.Column(k.Columns[0]))
            .Where(c => c.CanBeKey() && !entity.Table.PrimaryKey.Contains(c.Name)).ToList();
        foreach (var hidden in candidates.Where(c => entity.Sensitive.Contains(c.Name) && !IsLookupPhone(entity, c)))
        {
            notes.Likely($"'{entity.Table.Name}.{hidden.Name}' is unique but personal: it is masked and no index is built on it.");
        }

        candidates.RemoveAll(c => entity.Sensitive.Contains(c.Name) && !IsLookupPhone(entity, c));
        var column = candidates.Find(c => NameWords.Of(c.Name)[^1] is "number" or "no" or "nr" or "num" or "code" or "ref" or "reference") ?? candidates.FirstOrDefault();
        if (column is null)
        {
            return;
        }

        var index = entity.Indexes.ContainsKey("gsi2") ? "gsi5" : "gsi2";
        entity.AddIndex(index, $"{NumberLabel(entity, column)}#{entity.Plain(column.Name)}", entity.Label);
        notes.Certain($"{index} finds a {entity.Profile.Entity} by '{column.Name}', which is unique.");
        if (entity.Sensitive.Remove(column.Name))
        {
            notes.Likely($"'{entity.Table.Name}.{column.Name}' is personal, but {entity.Profile.Entity} is looked up by it, so it is a key and not marked sensitive; remove it from {index} and mark it if it must be masked.");
        }
    }

    private static bool IsLookupPhone(EntityDraft entity, ColumnSchema column) => entity.Profile.Entity == EntityProfile.Subscriber && SensitiveNames.IsPhone(column);

    private static string NumberLabel(EntityDraft entity, ColumnSchema column)
    {
        var last = NameWords.Of(column.Name)[^1];
        return SensitiveNames.IsPhone(column) ? "PHONE"
            : last is "number" or "no" or "nr" or "num" ? $"{entity.Label}_NUMBER"
            : last is "code" or "ref" or "reference" ? $"{entity.Label}_{last.ToUpperInvariant()}"
            : $"{entity.Label}_BY_{string.Join('_', NameWords.Of(column.Name)).ToUpperInvariant()}";
    }

    private void DraftDates(EntityDraft entity)
    {
        if (entity.ShardColumn is not { } shard)
        {
            return;
        }

        var spread = $"{{{shard}%{Shards}}}";
        var id = entity.SortableAll(entity.Table.PrimaryKey);
        if (entity.Profile.Entity == EntityProfile.Agreement && NameWords.FindColumn(entity.Table, EndDates, c => c.IsDate() && !c.UpdatedAutomatically) is { } end)
        {
            entity.AddIndex("gsi3", $"AGREEMENT_END#{{{end.Name}:yyyy-MM}}#{spread}", $"{{{end.Name}}}#{id}");
            notes.Likely($"gsi3 lists the agreements that end in a month ('{end.Name}'), spread over {Shards} shards so that no partition is hot.");
        }

        if (entity.Profile.Entity == EntityProfile.Bill && NameWords.FindColumn(entity.Table, DueDates, c => c.IsDate()) is { } due && OpenBills(entity) is { } open)
        {
            entity.AddIndex("gsi3", $"OPEN_BILL#{spread}", $"{{{due.Name}}}#{id}", open.When);
            notes.Likely($"gsi3 lists the open bills by '{due.Name}': those whose '{open.Column}' is {string.Join(" or ", open.States)}.");
        }

        if (entity.Profile.Entity is EntityProfile.Bill or EntityProfile.Charge && PartitionDrafter.DateColumn(entity) is { } date)
        {
            var kind = KindColumn(entity);
            entity.AddIndex("gsi4", $"{entity.Label}#{{{date}:yyyy-MM}}#{spread}", $"{(kind is null ? string.Empty : entity.Sortable(kind) + "#")}{{{date}}}#{id}");
            notes.Likely($"gsi4 holds each month's {entity.Profile.Entity} items for reports, by '{date}'{(kind is null ? string.Empty : $" and '{kind}'")}, spread over {Shards} shards.");
        }
    }

    /// <summary>Status of a bill, type of a charge: what reports group by.</summary>
    public static string? KindColumn(EntityDraft entity)
    {
        string[] names = entity.Profile.Entity == EntityProfile.Bill ? ["status", "state", "bill_status"] : ["charge_type", "type", "category", "kind", "charge_code", "status"];
        return NameWords.FindColumn(entity.Table, names, c => !c.Nullable && c.CanBeKey() && !c.IsDate())?.Name;
    }

    private static (string Column, IReadOnlyList<string> States, JsonObject When)? OpenBills(EntityDraft bill)
    {
        if (KindColumn(bill) is not { } name || bill.Column(name) is not { DataType: "enum" } status)
        {
            return null;
        }

        var states = status.Members.Where(m => OpenStates.Contains(m.ToUpperInvariant().Replace(' ', '_').Replace('-', '_'))).ToList();
        var values = new JsonArray([.. states.Select(s => (JsonNode)s)]);
        return states.Count == 0 ? null : (name, states, new JsonObject { ["column"] = name, ["in"] = values });
    }
}
