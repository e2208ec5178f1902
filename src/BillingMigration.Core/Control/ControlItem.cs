using System.Collections.Immutable;
using System.Globalization;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Source;

namespace BillingMigration.Control;

/// <summary>Writes the attributes of a control item. Every item says what kind it is and in which format version it was written.</summary>
internal sealed class ControlItemBuilder
{
    public const string Kind = "kind";
    public const string Format = "format";

    private readonly Dictionary<string, AttributeValue> attributes = [];

    public ControlItemBuilder(string pk, string sk, string kind, int format)
    {
        attributes["pk"] = new AttributeValue(pk);
        attributes["sk"] = new AttributeValue(sk);
        attributes[Kind] = new AttributeValue(kind);
        attributes[Format] = Number(format);
    }

    public static AttributeValue Number(long value) => new() { N = value.ToString(CultureInfo.InvariantCulture) };

    public static AttributeValue Position(SourcePosition position)
    {
        var map = new Dictionary<string, AttributeValue>
        {
            ["flavor"] = new(position.Flavor.ToString()),
            ["server"] = new(position.ServerIdentity),
        };
        if (position.Gtid is not null)
        {
            map["gtid"] = new AttributeValue(position.Gtid);
        }

        if (position.File is not null)
        {
            map["file"] = new AttributeValue(position.File);
        }

        if (position.Offset is { } offset)
        {
            map["offset"] = Number(offset);
        }

        if (position.Mark is { } mark)
        {
            map["mark"] = new AttributeValue { M = new() { ["file"] = new(mark.File), ["offset"] = Number(mark.Offset), ["madeAt"] = Number(mark.MadeAt) } };
        }

        return new AttributeValue { M = map };
    }

    public static AttributeValue Time(DateTimeOffset value) => new(value.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));

    /// <summary>Sets an attribute; null leaves it out.</summary>
    public ControlItemBuilder Set(string name, AttributeValue? value)
    {
        if (value is not null)
        {
            attributes[name] = value;
        }

        return this;
    }

    public ControlItemBuilder Set(string name, string? value) => Set(name, value is null ? null : new AttributeValue(value));

    public ControlItemBuilder Set(string name, long value) => Set(name, Number(value));

    public ControlItemBuilder Set(string name, bool value) => Set(name, new AttributeValue { BOOL = value });

    public ControlItemBuilder Set(string name, ImmutableArray<string>? values) =>
        Set(name, values is { } texts ? new AttributeValue { L = texts.Select(t => new AttributeValue(t)).ToList(), IsLSet = true } : null);

    public Dictionary<string, AttributeValue> Build() => attributes;
}

/// <summary>Reads the attributes of a control item; whatever is not as it was written is <c>ControlItemUnreadable</c>, never a guess.</summary>
internal sealed class ControlItem
{
    private readonly Dictionary<string, AttributeValue> attributes;
    private readonly string name;

    public ControlItem(Dictionary<string, AttributeValue> attributes, string kind, int format)
        : this(attributes, attributes.TryGetValue("sk", out var sk) ? sk.S ?? "(no sk)" : "(no sk)")
    {
        if (String(ControlItemBuilder.Kind) is var found && found != kind)
        {
            throw Unreadable($"it is a '{found}' and not a '{kind}'");
        }

        if (Long(ControlItemBuilder.Format) is var version && version != format)
        {
            throw Unreadable($"it has format {version}, this version of the module reads format {format}");
        }
    }

    private ControlItem(Dictionary<string, AttributeValue> attributes, string name)
    {
        this.attributes = attributes;
        this.name = name;
    }

    public bool Has(string attribute) => attributes.ContainsKey(attribute);

    public string String(string attribute) => OptionalString(attribute) ?? throw Unreadable($"attribute '{attribute}' is missing");

    public string? OptionalString(string attribute) => attributes.TryGetValue(attribute, out var value)
        ? value.S ?? throw Unreadable($"attribute '{attribute}' is not a text")
        : null;

    public long Long(string attribute) => OptionalLong(attribute) ?? throw Unreadable($"attribute '{attribute}' is missing");

    public long? OptionalLong(string attribute)
    {
        if (!attributes.TryGetValue(attribute, out var value))
        {
            return null;
        }

        return long.TryParse(value.N, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number
            : throw Unreadable($"attribute '{attribute}' is not a whole number");
    }

    public int Int(string attribute, int least, int most)
    {
        var value = Long(attribute);
        return value >= least && value <= most ? (int)value : throw Unreadable($"attribute '{attribute}' is {value}, outside {least} to {most}");
    }

    /// <summary>False where the item has none.</summary>
    public bool OptionalBool(string attribute) => attributes.ContainsKey(attribute) && Bool(attribute);

    public bool Bool(string attribute) => attributes.TryGetValue(attribute, out var value) && value.BOOL is { } flag
        ? flag
        : throw Unreadable($"attribute '{attribute}' is missing or not true or false");

    public T Enum<T>(string attribute)
        where T : struct, Enum => System.Enum.TryParse<T>(String(attribute), out var value) && System.Enum.IsDefined(value)
        ? value
        : throw Unreadable($"attribute '{attribute}' has the unknown value '{String(attribute)}'");

    public DateTimeOffset Time(string attribute) => OptionalTime(attribute) ?? throw Unreadable($"attribute '{attribute}' is missing");

    public DateTimeOffset? OptionalTime(string attribute)
    {
        if (OptionalString(attribute) is not { } text)
        {
            return null;
        }

        return DateTimeOffset.TryParseExact(text, "O", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : throw Unreadable($"attribute '{attribute}' is not a time");
    }

    public ImmutableArray<string>? OptionalTexts(string attribute)
    {
        if (!attributes.TryGetValue(attribute, out var value))
        {
            return null;
        }

        return value.IsLSet
            ? [.. value.L.Select(v => v.S ?? throw Unreadable($"attribute '{attribute}' holds something other than texts"))]
            : throw Unreadable($"attribute '{attribute}' is not a list");
    }

    public ImmutableSortedDictionary<string, string> Map(string attribute) => attributes.TryGetValue(attribute, out var value) && value.IsMSet
        ? value.M.ToImmutableSortedDictionary(p => p.Key, p => p.Value.S ?? throw Unreadable($"attribute '{attribute}' holds something other than texts"), StringComparer.Ordinal)
        : throw Unreadable($"attribute '{attribute}' is missing or not a map");

    public SourcePosition Position(string attribute) => OptionalPosition(attribute) ?? throw Unreadable($"attribute '{attribute}' is missing");

    public SourcePosition? OptionalPosition(string attribute)
    {
        if (!attributes.TryGetValue(attribute, out var value))
        {
            return null;
        }

        var map = Within(attribute, value);
        return new SourcePosition
        {
            Flavor = map.Enum<SourceFlavor>("flavor"),
            ServerIdentity = map.String("server"),
            Gtid = map.OptionalString("gtid"),
            File = map.OptionalString("file"),
            Offset = map.OptionalLong("offset"),
            Mark = map.attributes.TryGetValue("mark", out var mark) && map.Within("mark", mark) is var made
                ? new BinlogMark(made.String("file"), made.Long("offset"), checked((uint)made.Long("madeAt"))) : null,
        };
    }

    private ControlItem Within(string attribute, AttributeValue value) =>
        new(value.IsMSet ? value.M : throw Unreadable($"attribute '{attribute}' is not a map"), $"{name}, {attribute}");

    public MigrationException Unreadable(string why) => new(
        "ControlItemUnreadable",
        MigrationErrorKind.WrongState,
        $"Item '{name}' of the control table cannot be read: {why}. It was written by another version or changed by hand: use the version that wrote it, or restore the control table.",
        name);
}
