using System.Collections.Immutable;
using System.Net;
using System.Text.RegularExpressions;

namespace BillingMigration.Definition;

/// <summary>Turns the JSON tree into a definition: types, ranges and names. What several places must agree on is checked by <see cref="DefinitionRules"/>.</summary>
internal sealed partial class DefinitionBuilder(DefinitionProblems problems, string? baseDirectory)
{
    /// <summary>Null only when the root is no object. What was not readable is empty in the result, so that the rest can be checked.</summary>
    public MigrationDefinition? Build(DefinitionNode node)
    {
        var root = new DefinitionObjectReader(node, DefinitionShape.Root, problems);
        if (!node.IsObject)
        {
            return null;
        }

        _ = root.Text("$schema");
        var name = Matching(root, "name", MigrationName(), "name of a migration", "Use 1 to 64 of A-Z a-z 0-9 . _ -.");
        if (root.Value("questions") is { } questions)
        {
            foreach (var question in root.ItemsOf(questions))
            {
                problems.Add(question, $"A question is open: {root.TextOf(question)}", "Correct what it asks about, then delete this line.");
            }
        }

        var source = root.Object("source") is { } sourceReader ? Source(sourceReader) : new SourceDefinition { Host = string.Empty, Database = string.Empty };
        var target = root.Object("target") is { } targetReader ? Target(targetReader) : new TargetDefinition { Table = string.Empty };
        var entityBuilder = new EntityBuilder(problems);
        var definition = new MigrationDefinition
        {
            Name = name,
            Source = source,
            Target = target,
            Paths = [.. root.Objects("paths").Select(path => ReadPath(path, source.Tls.Mode))],
            Throttle = root.Object("throttle") is { } throttle ? Throttle(throttle) : new ThrottleDefinition(),
            Indexes = [.. root.Objects("indexes").Select(Index)],
            Entities = [.. root.Objects("entities").Select(entityBuilder.Build)],
            Views = root.NamedObjects("views").ToImmutableSortedDictionary(v => v.Key, v => View(v.Value)),
            BaseDirectory = baseDirectory,
            Places = new DefinitionPlaces(node),
        };
        if (definition.Entities.IsEmpty && root.Value("entities") is { IsArray: true } none)
        {
            problems.Add(none, "There is no entity.", "Add at least one { \"entity\", \"table\", \"pk\", \"sk\" }; New-BillingMigrationDefinition writes them from the source's schema.");
        }

        return definition;
    }

    private static ViewDefinition View(DefinitionObjectReader reader) => new(reader.Entries("columns").ToImmutableSortedDictionary(
        e => e.Key, e => reader.ItemsOf(e.Value).Select(reader.TextOf).OfType<string>().ToImmutableArray()));

    private SourceDefinition Source(DefinitionObjectReader reader)
    {
        var tls = reader.Object("tls");
        var mode = tls?.OneOf<SourceTlsMode>("mode") ?? SourceTlsMode.VerifyFull;
        var host = Host(reader);
        if (mode == SourceTlsMode.None && host.Length > 0 && !IsLoopback(host))
        {
            problems.Add(
                tls!.Place("mode"), $"TLS mode None to '{host}' would send billing data over the network in the clear.", "Use VerifyFull, or VerifyCA with a caFile; None is for a loopback address only.");
        }

        return new SourceDefinition
        {
            Host = host,
            Port = (int)(reader.Integer("port", "TCP port", 1, 65535) ?? 3306),
            Database = reader.Text("database") is { } database && ValidName(reader.Place("database"), database, "database") ? database : string.Empty,
            Tls = new SourceTlsDefinition { Mode = mode, CaFile = tls is null ? null : CaFile(tls, mode) },
            Compression = reader.Flag("compression") ?? false,
        };
    }

    private string? CaFile(DefinitionObjectReader tls, SourceTlsMode mode)
    {
        if (tls.Text("caFile") is not { } file)
        {
            if (mode == SourceTlsMode.VerifyCA && tls.Value("caFile") is null)
            {
                problems.Add(
                    tls.Place("mode"),
                    "TLS mode VerifyCA without a caFile would accept any server that has a certificate of any public authority.",
                    "Name the PEM file of the server's own authority in \"caFile\", or use VerifyFull.");
            }

            return null;
        }

        if (mode == SourceTlsMode.None)
        {
            problems.Add(tls.Place("caFile"), "A caFile has no meaning with TLS mode None.", "Remove it, or use VerifyFull or VerifyCA.");
        }

        // Text without a file of its own has no folder for relative names to start from.
        var full = Path.IsPathRooted(file) ? file : baseDirectory is null ? null : Path.Combine(baseDirectory, file);
        if (full is not null && !File.Exists(full))
        {
            problems.Add(tls.Place("caFile"), $"There is no file '{full}'.", "Name the PEM file of the certificate authority; a relative name starts at the folder of the definition.");
        }

        return file;
    }

    private TargetDefinition Target(DefinitionObjectReader reader)
    {
        var endpoint = Endpoint(reader);
        var mode = reader.OneOf<BillingMode>("billingMode") ?? BillingMode.PayPerRequest;
        var read = reader.Integer("readCapacityUnits", "number of capacity units", 1);
        var write = reader.Integer("writeCapacityUnits", "number of capacity units", 1);
        CheckCapacity(reader, mode, "readCapacityUnits");
        CheckCapacity(reader, mode, "writeCapacityUnits");
        var region = reader.Text("region");
        if (region is not null && endpoint is null && !RegionName().IsMatch(region))
        {
            problems.Add(reader.Place("region"), $"'{region}' is not an AWS Region.", "Write it like eu-central-1.");
        }

        var table = TableName(reader, "table");
        var control = reader.Value("controlTable") is null ? null : TableName(reader, "controlTable");
        if (control is null && table.Length > 255 - "-migration".Length)
        {
            problems.Add(reader.Place("table"), $"The control table '{table}-migration' would have more than 255 characters.", "Name a shorter one in \"controlTable\".");
        }
        else if (control is { Length: > 0 } && control == table)
        {
            problems.Add(reader.Place("controlTable"), $"Billing table and control table have the same name '{table}'.", $"Name another control table, or leave it out for '{table}-migration'.");
        }

        return new TargetDefinition
        {
            Region = region,
            EndpointUrl = endpoint,
            Table = table,
            ControlTable = control,
            BillingMode = mode,
            ReadCapacityUnits = read,
            WriteCapacityUnits = write,
            KmsKeyId = reader.Text("kmsKeyId"),
            Encryption = reader.Object("encryption") is { } encryption
                ? new EncryptionDefinition { KmsKeyId = encryption.Text("kmsKeyId") ?? string.Empty, KmsEndpointUrl = Endpoint(encryption, "kmsEndpointUrl", "https://vpce-0123.kms.eu-central-1.vpce.amazonaws.com") }
                : null,
            Tags = Tags(reader),
            PricePerMillionWriteUnits = reader.Price("pricePerMillionWriteUnits") ?? new TargetDefinition { Table = table }.PricePerMillionWriteUnits,
        };
    }

    private void CheckCapacity(DefinitionObjectReader reader, BillingMode mode, string name)
    {
        if (mode == BillingMode.Provisioned && reader.Value(name) is null)
        {
            problems.Add(reader.Place("billingMode"), $"Billing mode Provisioned has no '{name}'.", $"Add \"{name}\", or use PayPerRequest.");
        }
        else if (mode == BillingMode.PayPerRequest && reader.Value(name) is { } value)
        {
            problems.Add(value, $"'{name}' has no meaning with billing mode PayPerRequest.", "Remove it, or set \"billingMode\": \"Provisioned\".");
        }
    }

    private ImmutableSortedDictionary<string, string> Tags(DefinitionObjectReader reader)
    {
        var tags = ImmutableSortedDictionary.CreateBuilder<string, string>();
        foreach (var (key, value) in reader.Entries("tags"))
        {
            if (DefinitionObjectReader.LooksSecret(key))
            {
                problems.Add(value, $"The tag '{key}' looks like a secret; tags are readable by many.", DefinitionObjectReader.SecretRemedy);
            }
            else if (key.Length > 128 || key.StartsWith("aws:", StringComparison.OrdinalIgnoreCase))
            {
                problems.Add(value, $"'{key}' is not a possible tag key.", "Use 1 to 128 characters that do not begin with aws:.");
            }
            else if (reader.TextOf(value) is { } text)
            {
                tags[key] = text;
                if (text.Length > 256)
                {
                    problems.Add(value, $"The value of the tag '{key}' has {text.Length} characters.", "Use at most 256.");
                }
            }
        }

        if (tags.Count > 50)
        {
            problems.Add(reader.Place("tags"), $"There are {tags.Count} tags.", "AWS accepts at most 50 on a table.");
        }

        return tags.ToImmutable();
    }

    private PathDefinition ReadPath(DefinitionObjectReader reader, SourceTlsMode mode)
    {
        var source = reader.Object("source");
        var host = source?.Value("host") is null ? null : Host(source);
        if (mode == SourceTlsMode.None && host is { Length: > 0 } && !IsLoopback(host))
        {
            problems.Add(
                source!.Place("host"), $"TLS mode None to '{host}' would send billing data over the network in the clear.", "Set the source's TLS mode to VerifyFull, or VerifyCA with a caFile.");
        }

        return new PathDefinition
        {
            Name = Matching(reader, "name", MigrationName(), "name of a path", "Use 1 to 64 of A-Z a-z 0-9 . _ -."),
            Kind = reader.OneOf<PathKind>("kind") ?? PathKind.Internet,
            SourceHost = host,
            SourcePort = (int?)source?.Integer("port", "TCP port", 1, 65535),
            TargetEndpointUrl = reader.Object("target") is { } target ? Endpoint(target) : null,
        };
    }

    private static ThrottleDefinition Throttle(DefinitionObjectReader reader)
    {
        var none = new ThrottleDefinition();
        return new ThrottleDefinition
        {
            ItemsPerSecond = reader.Rate("itemsPerSecond"),
            BytesPerSecond = reader.Rate("bytesPerSecond"),
            WriteUnitsPerSecond = reader.Rate("writeUnitsPerSecond"),
            RowsPerSecond = reader.Rate("rowsPerSecond"),
            MaxThreadsRunning = (int?)reader.Integer("maxThreadsRunning", "number of running threads", 1, 100_000),
            OutageMinutes = reader.Rate("outageMinutes") ?? none.OutageMinutes,
            Readers = (int)(reader.Integer("readers", "number of readers", 1, 64) ?? none.Readers),
            Writers = (int)(reader.Integer("writers", "number of writers", 1, 256) ?? none.Writers),
        };
    }

    private IndexDefinition Index(DefinitionObjectReader reader)
    {
        var include = reader.Value("include") is null ? (ImmutableArray<string>?)null : [.. reader.Items("include").Select(reader.TextOf).OfType<string>()];
        return new IndexDefinition { Name = TableName(reader, "name"), Include = include };
    }

    private string Host(DefinitionObjectReader reader)
    {
        if (reader.Text("host") is not { } host)
        {
            return string.Empty;
        }

        if (Uri.CheckHostName(host) != UriHostNameType.Unknown)
        {
            return host;
        }

        // The text may be a connection string with a password in it: it is not repeated.
        problems.Add(reader.Place("host"), "This is not a host name or address.", "Write the bare name or address; the port stands in \"port\", the user comes with -SourceCredential.");
        return string.Empty;
    }

    private Uri? Endpoint(DefinitionObjectReader reader, string name = "endpointUrl", string example = "https://vpce-0123.dynamodb.eu-central-1.vpce.amazonaws.com")
    {
        if (reader.Text(name) is not { } text)
        {
            return null;
        }

        var place = reader.Place(name);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.Host.Length == 0)
        {
            problems.Add(place, "This is not an endpoint URL.", $"Write it like {example}.");
            return null;
        }

        if (url.UserInfo.Length > 0)
        {
            problems.Add(place, "The endpoint URL holds a user name or password.", DefinitionObjectReader.SecretRemedy);
        }
        else if (url.Query.Length > 0 || url.Fragment.Length > 0 || url.AbsolutePath != "/")
        {
            problems.Add(place, $"The endpoint '{text}' has a path or query.", "Write scheme, host and port only.");
        }
        else if (url.Scheme == "http" && !IsLoopback(url.Host))
        {
            problems.Add(place, $"The endpoint '{text}' would be called without TLS.", "Use https; http is for a loopback address only.");
        }

        return url;
    }

    private string TableName(DefinitionObjectReader reader, string name) => Matching(
        reader, name, DynamoDbName(), name == "name" ? "index name" : "table name", "DynamoDB takes 3 to 255 of A-Z a-z 0-9 _ . -.");

    private string Matching(DefinitionObjectReader reader, string name, Regex pattern, string what, string remedy)
    {
        if (reader.Text(name) is not { } text)
        {
            return string.Empty;
        }

        if (pattern.IsMatch(text))
        {
            return text;
        }

        problems.Add(reader.Place(name), $"'{text}' is not a possible {what}.", remedy);
        return string.Empty;
    }

    private bool ValidName(DefinitionNode place, string name, string what) => EntityBuilder.ValidSqlName(problems, place, name, what);

    internal static bool IsLoopback(string host) =>
        host.TrimEnd('.').Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex MigrationName();

    [GeneratedRegex(@"^[A-Za-z0-9_.-]{3,255}\z")]
    private static partial Regex DynamoDbName();

    [GeneratedRegex(@"^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}\z")]
    private static partial Regex RegionName();
}
