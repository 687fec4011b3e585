using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Orleans.Raft.Architecture.Tests;

/// <summary>What a built assembly uses of another one, as its metadata says.</summary>
internal static class References
{
    /// <summary>Types, and members of types, by name.</summary>
    public static HashSet<(string Type, string? Member)> Of(string assembly, string used)
    {
        using FileStream file = File.OpenRead(System.Reflection.Assembly.Load(assembly).Location);
        using var image = new PEReader(file);
        MetadataReader metadata = image.GetMetadataReader();
        var found = new HashSet<(string, string?)>();
        foreach (TypeReferenceHandle handle in metadata.TypeReferences)
        {
            if (NameOf(metadata, handle, used) is { } type) found.Add((type, null));
        }

        foreach (MemberReferenceHandle handle in metadata.MemberReferences)
        {
            MemberReference member = metadata.GetMemberReference(handle);
            if (member.Parent.Kind == HandleKind.TypeReference
                && NameOf(metadata, (TypeReferenceHandle)member.Parent, used) is { } type)
                found.Add((type, metadata.GetString(member.Name)));
        }

        return found;
    }

    // Null if it is of another assembly than the one that is asked for.
    private static string? NameOf(MetadataReader metadata, TypeReferenceHandle handle, string used)
    {
        TypeReference type = metadata.GetTypeReference(handle);
        string name = metadata.GetString(type.Name);
        if (type.ResolutionScope.Kind == HandleKind.TypeReference)
            return NameOf(metadata, (TypeReferenceHandle)type.ResolutionScope, used) is { } outer
                ? $"{outer}+{name}"
                : null;
        if (type.ResolutionScope.Kind != HandleKind.AssemblyReference) return null;
        AssemblyReference scope = metadata.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope);
        return metadata.GetString(scope.Name) == used ? $"{metadata.GetString(type.Namespace)}.{name}" : null;
    }
}
