using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Integrity;

/// <summary>Puts a difference into words: the attributes that differ, and what may have caused it.</summary>
internal sealed class DifferenceReport(ImmutableArray<EntityModel> models)
{
    private const int MarkDigits = 8;

    // Marks of masked values tell equal from unequal within one check, and nothing to who does not have the key.
    private readonly byte[] secret = RandomNumberGenerator.GetBytes(32);
    private readonly ImmutableArray<ImmutableHashSet<string>> sensitive = [.. models.Select(SensitiveOf)];

    public ItemDifference Describe(Examined examined, SourcePosition position)
    {
        var suspect = examined.Suspect;
        var model = suspect.Entity < 0 ? null : models[suspect.Entity];
        var expected = AttributesOf(examined.Expected);
        var actual = AttributesOf(examined.Actual);
        var key = AttributesOf(suspect.Key);
        var hidden = suspect.Entity < 0 ? [] : sensitive[suspect.Entity];
        return new ItemDifference
        {
            Entity = model?.Entity ?? Text(actual, EntityModel.EntityAttribute),
            Key = model is not null && suspect.Row is { } row ? model.Describe(row) : "",
            Kind = examined.Kind,
            PartitionKey = Text(key, EntityModel.PartitionKey),
            SortKey = Text(key, EntityModel.SortKey),
            Attributes = examined.Kind == DifferenceKind.Different ? Compare(expected, actual, hidden, model) : [],
            Position = position,
            Cause = DifferenceCause.Guess(examined, model, expected, actual),
            PrimaryKey = model is not null && suspect.Row is { } identity
                ? [.. model.PrimaryKey.Select(i => KeyText.Of(model.Row[i].Column, identity[i]))]
                : null,
            Seen = examined.Actual is null ? null : EntityDigest.Of(examined.Actual),
        };
    }

    /// <summary>Name to type and value, in the order of the item.</summary>
    internal static IReadOnlyDictionary<string, string> AttributesOf(byte[]? item)
    {
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        if (item is null)
        {
            return result;
        }

        using var json = JsonDocument.Parse(item);
        foreach (var attribute in json.RootElement.EnumerateObject())
        {
            result[attribute.Name] = attribute.Value.GetRawText();
        }

        return result;
    }

    private ImmutableArray<AttributeDifference> Compare(
        IReadOnlyDictionary<string, string> expected, IReadOnlyDictionary<string, string> actual, ImmutableHashSet<string> hidden, EntityModel? model)
    {
        var found = ImmutableArray.CreateBuilder<AttributeDifference>();
        var known = model is null ? [] : DifferenceCause.KnownAttributes(model);
        foreach (var name in expected.Keys.Concat(actual.Keys.Where(n => !expected.ContainsKey(n))))
        {
            var (source, target) = (expected.GetValueOrDefault(name), actual.GetValueOrDefault(name));
            if (source != target)
            {
                // What the model does not know may be anything. What it knows and the row has not is NULL there.
                var mask = hidden.Contains(name) || !known.Contains(name);
                found.Add(new AttributeDifference(name, Show(source, target, mask), Show(target, source, mask), mask));
            }
        }

        return found.ToImmutable();
    }

    /// <summary>A value for people; its type stands with it when the other side has another one.</summary>
    private string? Show(string? json, string? other, bool mask)
    {
        if (json is null)
        {
            return null;
        }

        if (mask)
        {
            return "*** " + Convert.ToHexString(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(json)).AsSpan(0, MarkDigits / 2));
        }

        using var value = JsonDocument.Parse(json);
        var typed = value.RootElement.EnumerateObject().First();
        var text = typed.Value.ValueKind == JsonValueKind.String ? typed.Value.GetString()! : typed.Value.GetRawText();
        return other is null || other.StartsWith($"{{\"{typed.Name}\"", StringComparison.Ordinal) ? text : $"{typed.Name}: {text}";
    }

    private static string Text(IReadOnlyDictionary<string, string> attributes, string name)
    {
        if (!attributes.TryGetValue(name, out var json))
        {
            return "";
        }

        using var value = JsonDocument.Parse(json);
        return value.RootElement.TryGetProperty("S", out var text) ? text.GetString() ?? "" : "";
    }

    /// <summary>Attributes that hold a sensitive column's value, key attributes made of one included.</summary>
    private static ImmutableHashSet<string> SensitiveOf(EntityModel model)
    {
        var columns = model.Definition.Columns.Where(c => c.Value.Sensitive).Select(c => c.Key).ToHashSet(StringComparer.OrdinalIgnoreCase);
        bool Holds(ImmutableArray<BoundKeyTemplate> templates) => templates.Any(t => t.Template.Columns.Any(c => c.Lookup is null && columns.Contains(c.Column)));
        return
        [
            .. model.Attributes.Where(a => a.Sensitive).Select(a => a.Name),
            .. model.Keys.Where(k => Holds(k.PartitionKey)).Select(k => k.PartitionKeyAttribute),
            .. model.Keys.Where(k => Holds(k.SortKey)).Select(k => k.SortKeyAttribute),
        ];
    }
}

/// <summary>Guesses what made a difference, from what it looks like.</summary>
internal static class DifferenceCause
{
    public static string Guess(Examined examined, EntityModel? model, IReadOnlyDictionary<string, string> expected, IReadOnlyDictionary<string, string> actual) => examined switch
    {
        { Suspect.Entity: < 0 } => "The item names no entity of the definition: something else has written it.",
        { Expected: null, RowKey: { } key } when key != examined.Suspect.KeyText => "The row's item belongs under another key: the key was changed, or this item was written under a wrong one.",
        { Expected: null, Refusal.ReasonId: not null } => $"The row cannot be an item ({examined.Refusal.ReasonId}), and an item is there.",
        { Expected: null, Suspect.Row: null } => "The item does not say which row it is: an attribute of its primary key is missing or of another type.",
        { Expected: null } => "The row is not in the source: it was deleted and the delete did not arrive, or something else has written the item.",
        { Actual: null } => "The item was never written, or something else has deleted it.",
        _ => OfAttributes(model!, expected, actual),
    };

    /// <summary>Every attribute that an item of the entity may have.</summary>
    public static HashSet<string> KnownAttributes(EntityModel model) =>
        model.Keys.SelectMany(k => new[] { k.PartitionKeyAttribute, k.SortKeyAttribute }).Append(EntityModel.EntityAttribute).Concat(model.Attributes.Select(a => a.Name)).ToHashSet(StringComparer.Ordinal);

    private static string OfAttributes(EntityModel model, IReadOnlyDictionary<string, string> expected, IReadOnlyDictionary<string, string> actual)
    {
        var differing = expected.Keys.Union(actual.Keys).Where(n => expected.GetValueOrDefault(n) != actual.GetValueOrDefault(n)).ToArray();
        var identity = model.Attributes.Where(a => model.PrimaryKey.Contains(a.RowIndex)).Select(a => a.Name);
        var columns = model.Attributes.Select(a => a.Name).ToHashSet(StringComparer.Ordinal);
        var known = KnownAttributes(model);
        return differing switch
        {
            _ when differing.Any(n => !known.Contains(n)) => "The item has an attribute that the model does not know: something else has written it, or an older definition.",
            _ when identity.Any(differing.Contains) => "The item is that of another row: items were swapped, or written under a wrong key.",
            _ when differing.Contains(EntityModel.EntityAttribute) => "The item says that it is of another entity: it was changed by hand, or something else has written it.",
            _ when differing.All(n => !columns.Contains(n)) => "Only keys of indexes differ: the item was written under another definition, or changed by hand.",
            { Length: 1 } when !actual.ContainsKey(differing[0]) => "One attribute is missing: it was removed by hand, or NULL was written for a value.",
            { Length: 1 } when !expected.ContainsKey(differing[0]) => "One attribute is there that the row does not have: an empty value or an old one was written for NULL.",
            { Length: 1 } => "One attribute differs: it was changed in the table, or the row was changed without the binlog (sql_log_bin=0).",
            _ => "An older or newer state of the row: a change did not arrive, or something else has written the item.",
        };
    }
}
